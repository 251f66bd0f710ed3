"""A place that refuses every token gets no new token for a while."""

import pytest

from token_broker_client import refusals
from token_broker_client.refusals import (
    FORBIDDEN_ENTRIES,
    Forbidden,
    Place,
    Refusal,
    place_of,
)

AMBIGUOUS = b'{"errors": ["FORBIDDEN"]}'
CLEAR = b'{"errors": [{"message": "BAD_CREDENTIALS"}]}'
KEY, OTHER = "acme", "studio"
FINGERPRINT = "0" * 16


def refusal(
    key: str, place: Place, content: bytes, fingerprint: str, flow: str = "vntana"
) -> Refusal:
    return Refusal(flow, key, fingerprint, place, content)


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_refused_place_is_remembered_for_thirty_seconds() -> None:
    """Whatever the query and the token: a new token does not help."""
    clock = Clock()
    forbidden = Forbidden(clock)
    forbidden.add(refusal(KEY, place_of("GET", "https://vendor/models?page=1"), CLEAR, FINGERPRINT))
    same = place_of("GET", "https://vendor/models?page=2#top")
    assert forbidden.has(refusal(KEY, same, CLEAR, "another"))
    assert forbidden.has(
        refusal(KEY, place_of("GET", "https://vendor/models#top"), CLEAR, "another")
    )
    assert not forbidden.has(
        refusal(KEY, place_of("POST", "https://vendor/models"), CLEAR, FINGERPRINT)
    )
    assert not forbidden.has(
        refusal(KEY, place_of("GET", "https://vendor/model"), CLEAR, FINGERPRINT)
    )
    assert not forbidden.has(refusal(OTHER, same, CLEAR, FINGERPRINT))
    clock.now = 29
    assert forbidden.has(refusal(KEY, same, CLEAR, "another"))
    clock.now = 30
    assert not forbidden.has(refusal(KEY, same, CLEAR, "another"))
    forbidden.add(refusal(KEY, same, CLEAR, FINGERPRINT))  # once more, for as long
    for clock.now, is_known in ((59, True), (60, False)):
        assert forbidden.has(refusal(KEY, same, CLEAR, "another")) is is_known


def test_an_ambiguous_refusal_of_a_new_token_counts_for_other_places() -> None:
    """Only missing rights explain such a refusal. Each path with an id is a place."""
    clock = Clock()
    forbidden = Forbidden(clock)
    one, other = (place_of("GET", f"https://vendor/models/{number}") for number in (1, 2))
    forbidden.add(refusal(KEY, one, AMBIGUOUS, FINGERPRINT))
    assert forbidden.has(refusal(KEY, other, AMBIGUOUS, FINGERPRINT))
    assert not forbidden.has(refusal(KEY, other, AMBIGUOUS, "another"))  # it may be dead
    for clear in (CLEAR, b'{"errors": ["FORBIDDEN", "BAD_CREDENTIALS"]}'):
        assert not forbidden.has(refusal(KEY, other, clear, FINGERPRINT))  # it is dead
    assert not forbidden.has(refusal(OTHER, other, AMBIGUOUS, FINGERPRINT))
    assert not forbidden.has(refusal(KEY, other, AMBIGUOUS, FINGERPRINT, "vendorlink"))
    clock.now = 30
    assert not forbidden.has(refusal(KEY, other, AMBIGUOUS, FINGERPRINT))


def test_a_clear_refusal_does_not_count_for_other_places() -> None:
    forbidden = Forbidden(Clock())
    forbidden.add(refusal(KEY, place_of("GET", "https://vendor/models"), CLEAR, FINGERPRINT))
    assert not forbidden.has(
        refusal(KEY, place_of("GET", "https://vendor/x"), AMBIGUOUS, FINGERPRINT)
    )


def test_a_thousand_refusals_are_remembered() -> None:
    """The oldest is dropped first; a repeated refusal is the newest."""
    assert FORBIDDEN_ENTRIES == 1000
    forbidden = Forbidden(Clock())
    for number in (*range(FORBIDDEN_ENTRIES), 0, FORBIDDEN_ENTRIES):
        forbidden.add(refusal(KEY, ("GET", str(number)), CLEAR, FINGERPRINT))
    assert forbidden.has(refusal(KEY, ("GET", "0"), CLEAR, FINGERPRINT))
    assert not forbidden.has(refusal(KEY, ("GET", "1"), CLEAR, FINGERPRINT))
    assert forbidden.has(refusal(KEY, ("GET", "2"), CLEAR, FINGERPRINT))


INVALID_BODIES = (b"", b"null", b"[]", b'{"errors": null}', b'{"errors": 5}', b"<html>")


@pytest.mark.parametrize(
    ("flow", "status", "content", "is_refusal"),
    [
        ("vntana", 401, b"", True),
        ("vendorlink", 401, b"<html>", True),
        ("vntana", 403, AMBIGUOUS, True),
        ("vntana", 403, CLEAR, True),
        ("vntana", 403, b'{"errors": ["UNAUTHORIZED"]}', True),
        ("vntana", 403, b'{"errors": ["CLIENT_BLOCKED"]}', False),
        ("vntana", 400, AMBIGUOUS, False),
        ("vntana", 403, b"[" * 100_000, False),
        *[("vntana", 403, content, False) for content in INVALID_BODIES],
        ("vendorlink", 403, AMBIGUOUS, False),
        ("editor", 403, AMBIGUOUS, False),
    ],
)
def test_each_response_is_a_refusal_of_the_token_or_not(
    flow: str, status: int, content: bytes, is_refusal: bool
) -> None:
    assert refusals.is_refusal(flow, status, content) is is_refusal
