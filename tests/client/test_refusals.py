"""A place that refuses every token gets no new token for a while."""

from typing import Any

import httpx
import pytest

from tests.client.channels import UnusedChannel, document
from token_broker_client import Answer, Broker, refusals
from token_broker_client.refusals import FORBIDDEN_ENTRIES, Forbidden, entries
from token_broker_client.request import Flow

AMBIGUOUS = b'{"errors": ["FORBIDDEN"]}'
CLEAR = b'{"errors": [{"message": "BAD_CREDENTIALS"}]}'
MODELS = "https://vendor/models"
BROKER = Broker(UnusedChannel())


def refusal(
    content: bytes,
    url: str = MODELS,
    *,
    method: str = "GET",
    connection: str = "acme",
    fingerprint: str = "0" * 16,
    flow: Flow = "vntana",
) -> list[Any]:
    """Return the entries of a refusal."""
    members = document(flow=flow, connection=connection, fingerprint=fingerprint)
    answer = Answer.of(BROKER.access(flow, connection), members)
    return entries(httpx.Response(403, content=content, request=httpx.Request(method, url)), answer)


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_refused_place_is_remembered_for_thirty_seconds() -> None:
    """Whatever the query and the token: a new token does not help."""
    clock = Clock()
    forbidden = Forbidden(clock)
    forbidden.add(refusal(CLEAR, f"{MODELS}?page=1"))
    for url in (f"{MODELS}?page=2#top", f"{MODELS}#top", MODELS):
        assert forbidden.has(refusal(CLEAR, url, fingerprint="another"))
    assert not forbidden.has(refusal(CLEAR, method="POST"))
    assert not forbidden.has(refusal(CLEAR, "https://vendor/model"))
    assert not forbidden.has(refusal(CLEAR, connection="studio"))
    for clock.now, is_known in ((29, True), (30, False)):
        assert forbidden.has(refusal(CLEAR)) is is_known
    forbidden.add(refusal(CLEAR))  # once more, for as long
    for clock.now, is_known in ((59, True), (60, False)):
        assert forbidden.has(refusal(CLEAR)) is is_known


def test_an_ambiguous_refusal_of_a_new_token_counts_for_other_places() -> None:
    """Only missing rights explain such a refusal. Each path with an id is a place."""
    clock, other = Clock(), f"{MODELS}/2"
    forbidden = Forbidden(clock)
    forbidden.add(refusal(AMBIGUOUS, f"{MODELS}/1"))
    assert forbidden.has(refusal(AMBIGUOUS, other))
    assert not forbidden.has(refusal(AMBIGUOUS, other, fingerprint="another"))  # it may be dead
    for clear in (CLEAR, b'{"errors": ["FORBIDDEN", "BAD_CREDENTIALS"]}'):
        assert not forbidden.has(refusal(clear, other))  # it is dead
    assert not forbidden.has(refusal(AMBIGUOUS, other, connection="studio"))
    assert not forbidden.has(refusal(AMBIGUOUS, other, flow="vendorlink"))
    clock.now = 30
    assert not forbidden.has(refusal(AMBIGUOUS, other))


@pytest.mark.parametrize("code", ["BAD_CREDENTIALS", "TOKEN_NOT_FOUND", "UNAUTHORIZED"])
def test_a_clear_refusal_does_not_count_for_other_places(code: str) -> None:
    forbidden = Forbidden(Clock())
    forbidden.add(refusal(CLEAR.replace(b"BAD_CREDENTIALS", code.encode())))
    assert not forbidden.has(refusal(AMBIGUOUS, "https://vendor/x"))


def test_a_thousand_refusals_are_remembered() -> None:
    """The oldest is dropped first; a repeated refusal is the newest."""
    assert FORBIDDEN_ENTRIES == 1000
    forbidden = Forbidden(Clock())
    for number in (*range(FORBIDDEN_ENTRIES), 0, FORBIDDEN_ENTRIES):
        forbidden.add(refusal(CLEAR, str(number)))
    known = [forbidden.has(refusal(CLEAR, str(number))) for number in range(3)]
    assert known == [True, False, True]


INVALID_BODIES = (b"", b"null", b"[]", b'{"errors": null}', b'{"errors": 5}', b"<html>")


@pytest.mark.parametrize(
    ("flow", "status", "content", "is_refusal"),
    [
        ("vntana", 401, b"", True),
        ("vendorlink", 401, b"<html>", True),
        ("vntana", 403, AMBIGUOUS, True),
        ("vntana", 403, CLEAR, True),
        ("vntana", 403, b'{"errors": ["UNAUTHORIZED"]}', True),
        ("vntana", 403, b'{"errors": {"code": "UNAUTHORIZED"}}', True),
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
