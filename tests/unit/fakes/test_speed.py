"""The cost of a call of a fake: a simulation makes a hundred thousand."""

from random import Random

from tests.counting import calls_within
from token_broker.exchange import Request
from token_broker_fakes import FakeVntana

MOST_CALLS = 130
"""Calls of functions, C's included, that one request may make, after thousands too: here 96."""
BATCH = 2000


def test_a_request_makes_a_bounded_number_of_python_calls() -> None:
    """Calls are counted, as durations differ among machines."""
    fake = FakeVntana(rng=Random(1))
    url = "https://api-platform.vntana.com/v1/auth/login/token"
    body = {"personal-access-token": fake.accounts[0].key}

    def batch() -> None:
        for _ in range(BATCH):
            fake(Request("POST", url, "login", {}, body))

    assert calls_within(batch) <= MOST_CALLS * BATCH
