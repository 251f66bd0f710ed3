"""What refuses every token is left alone for a while, and no longer."""

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


class Hours:
    """A clock."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_place_is_left_alone_for_a_while() -> None:
    """Whatever the query, and whatever the token: no new one helps."""
    hours = Hours()
    forbidden = Forbidden(hours)
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
    hours.now = 29
    assert forbidden.has(refusal(KEY, same, CLEAR, "another"))
    hours.now = 30
    assert not forbidden.has(refusal(KEY, same, CLEAR, "another"))
    forbidden.add(refusal(KEY, same, CLEAR, FINGERPRINT))  # once more, for as long
    for hours.now, is_known in ((59, True), (60, False)):
        assert forbidden.has(refusal(KEY, same, CLEAR, "another")) is is_known


def test_a_token_that_was_just_made_is_not_spent_on_other_places() -> None:
    """Where only rights explain the refusal: paths with ids are a place each."""
    hours = Hours()
    forbidden = Forbidden(hours)
    one, other = (place_of("GET", f"https://vendor/models/{number}") for number in (1, 2))
    forbidden.add(refusal(KEY, one, AMBIGUOUS, FINGERPRINT))
    assert forbidden.has(refusal(KEY, other, AMBIGUOUS, FINGERPRINT))
    assert not forbidden.has(refusal(KEY, other, AMBIGUOUS, "another"))  # it may be dead
    for clear in (CLEAR, b'{"errors": ["FORBIDDEN", "BAD_CREDENTIALS"]}'):
        assert not forbidden.has(refusal(KEY, other, clear, FINGERPRINT))  # it is dead
    assert not forbidden.has(refusal(OTHER, other, AMBIGUOUS, FINGERPRINT))
    assert not forbidden.has(refusal(KEY, other, AMBIGUOUS, FINGERPRINT, "vendorlink"))
    hours.now = 30
    assert not forbidden.has(refusal(KEY, other, AMBIGUOUS, FINGERPRINT))


def test_a_clear_refusal_says_nothing_of_other_places() -> None:
    forbidden = Forbidden(Hours())
    forbidden.add(refusal(KEY, place_of("GET", "https://vendor/models"), CLEAR, FINGERPRINT))
    assert not forbidden.has(
        refusal(KEY, place_of("GET", "https://vendor/x"), AMBIGUOUS, FINGERPRINT)
    )


def test_not_everything_is_remembered() -> None:
    """The oldest of a thousand go first, and what was refused again is not the oldest."""
    assert FORBIDDEN_ENTRIES == 1000
    forbidden = Forbidden(Hours())
    for number in (*range(FORBIDDEN_ENTRIES), 0, FORBIDDEN_ENTRIES):
        forbidden.add(refusal(KEY, ("GET", str(number)), CLEAR, FINGERPRINT))
    assert forbidden.has(refusal(KEY, ("GET", "0"), CLEAR, FINGERPRINT))
    assert not forbidden.has(refusal(KEY, ("GET", "1"), CLEAR, FINGERPRINT))
    assert forbidden.has(refusal(KEY, ("GET", "2"), CLEAR, FINGERPRINT))


NONSENSE = (b"", b"null", b"[]", b'{"errors": null}', b'{"errors": 5}', b"<html>")


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
        *[("vntana", 403, content, False) for content in NONSENSE],
        ("vendorlink", 403, AMBIGUOUS, False),
        ("editor", 403, AMBIGUOUS, False),
    ],
)
def test_what_is_said_of_the_token(
    flow: str, status: int, content: bytes, is_refusal: bool
) -> None:
    assert refusals.is_refusal(flow, status, content) is is_refusal
