"""The log of `make run`: a line for each call, without repeated words."""

import json
from typing import Any

import pytest

from token_broker_local.log_capture import called, phrases

HAND_OUT = (
    '{"event": "hand-out", "flow": "vntana", "connection": "demo", "caller": "arn:x", "alias": "", '
    '"variant": "-", "generation": 0, "fingerprint": "f00d", "source": "memory", "stale": false, '
    '"slow": true, "milliseconds": 0.2, "token_age": 7, "HandOuts": 1, "_aws": {}}'
)
REPLACED = (
    '{"event": "replaced", "kind": "login", "generation": 2, "fingerprint": "f00d", "expires_at": '
    '"2026-11-22T09:34:07Z", "secret_version": "0123-4567", "replaces": null}'
)


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        (HAND_OUT, "hand-out: generation 0, fingerprint f00d, from memory, slow"),
        (REPLACED, "new token: generation 2, fingerprint f00d, expires_at 2026-11-22T09:34:07Z"),
        (
            {"event": "upstream", "step": "login", "status": 200, "milliseconds": 0},
            "upstream: login 200, 0 ms",
        ),
        (
            {"event": "upstream", "step": "login", "status": 0, "milliseconds": 9},
            "upstream: login no answer, 9 ms",
        ),
        ({"event": "failure", "code": "x", "detail": "why", "action": "token"}, "failure: x (why)"),
        ({"event": "exchange", "kind": "login", "outcome": "internal"}, "exchange: internal"),
        ({"event": "exchange", "kind": "login", "outcome": "success"}, None),
        ({"event": "action", "action": "status", "outcome": "success"}, None),
        ({"event": "check", "outcome": "success", "milliseconds": 4}, None),
        ({"event": "unanswered", "code": "x"}, None),
        ({"event": "latched", "secret_version": "0123-4567"}, "latched"),
        ({"event": "held", "since": "2026", "by": "jo", "reason": "r"}, "held: by jo, reason r"),
        ({"message": "defect", "level": "ERROR", "kind": "KeyError"}, "defect: kind KeyError"),
        ({"event": "a\nb", "x": "\x1b[2J"}, "a\\nb: x \\x1b[2J"),
        ({"event": ["odd"]}, "['odd']"),
        ([1], "[1]"),
        ("  ", None),
        (" as it is", "as it is"),
        ("not as\x1b[2J it is", "not as\\x1b[2J it is"),
    ],
)
def test_a_log_line_is_described_without_repeating_the_call(line: Any, phrase: str | None) -> None:
    """The line begins with the call, its status and its duration."""
    written = line if isinstance(line, str) else json.dumps(line)
    assert [*phrases(f"{written}\n")] == ([f"| {phrase}"] if phrase else [])


@pytest.mark.parametrize(
    "event",
    [
        {"requestContext": {}, "httpMethod": "GET\r", "path": "/\x1b[2J"},
        {"detail": {"eventName": "Put\nSecretValue"}},
        {"detail": {"labelUpdated": "AWS\x07CURRENT"}},
        {"connection": "demo\n", "action": "\x9b2J"},
        {"connection": "\x1b" * 9_999},
    ],
)
def test_a_call_neither_forges_a_line_nor_fills_the_log(event: Any) -> None:
    """A direct invocation may name anything."""
    cause = called(json.dumps(event).encode(), "function")
    assert cause.isprintable()
    assert len(cause) <= 200
