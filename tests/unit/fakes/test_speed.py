"""A simulation asks a fake a hundred thousand times."""

from random import Random

from tests.counting import calls_within
from token_broker.exchange import Request
from token_broker_fakes import FakeVntana

MOST_CALLS = 130
"""Calls of functions, C's included, that one request may make, after thousands too: here 96."""
BATCH = 2000


def test_a_request_is_cheap() -> None:
    """In calls and not in seconds, for clocks differ from machine to machine."""
    fake = FakeVntana(rng=Random(1))
    url = "https://api-platform.vntana.com/v1/auth/login/token"
    body = {"personal-access-token": fake.accounts[0].key}

    def batch() -> None:
        for _ in range(BATCH):
            fake(Request("POST", url, "login", {}, body))

    assert calls_within(batch) <= MOST_CALLS * BATCH
