"""A simulation asks a fake a hundred thousand times."""

import time
from random import Random

from token_broker.exchange import Request
from token_broker_fakes import FakeVntana

CEILING = 150e-6
"""Seconds for one request: some 25e-6 where nothing else runs; the best of several is taken."""
BATCH = 200


def test_a_request_is_cheap() -> None:
    fake = FakeVntana(rng=Random(1))
    url = "https://api-platform.vntana.com/v1/auth/login/token"
    body = {"personal-access-token": fake.accounts[0].key}

    def batch() -> float:
        begun = time.perf_counter()
        for _ in range(BATCH):
            fake(Request("POST", url, "login", {}, body))
        return (time.perf_counter() - begun) / BATCH

    assert min(batch() for _ in range(10)) < CEILING
