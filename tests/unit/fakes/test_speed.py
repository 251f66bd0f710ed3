"""A simulation asks a fake a hundred thousand times."""

import sys
from random import Random

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
    count = 0

    def counted(frame: object, what: str, argument: object) -> None:
        nonlocal count
        del frame, argument
        count += what in {"call", "c_call"}

    sys.setprofile(counted)
    try:
        for _ in range(BATCH):
            fake(Request("POST", url, "login", {}, body))
    finally:
        sys.setprofile(None)
    assert count <= MOST_CALLS * BATCH
