"""The responses of the token service, and its one error."""

import html
import json
from collections.abc import Mapping
from typing import Any

from token_broker_fakes.editor.modes import EditorModes
from token_broker_fakes.wire import Answer, Refused

WRONG_TOKEN = b"{\n  Wrong token\n}\n"
"""The text of every 403: it resembles JSON and is invalid."""
TYPES = {"json": "application/json", "text": "text/plain"}


def typed(mode: str) -> dict[str, str]:
    """Return the content type header under *mode*, if any."""
    return {"Content-Type": TYPES[mode]} if mode in TYPES else {}


def wrong(modes: EditorModes) -> Refused:
    """Return the error of a wrong key or token, to be raised."""
    return Refused(Answer(403, typed(modes.refusal_type), WRONG_TOKEN, "Wrong token"))


def unfit(modes: EditorModes, why: str) -> Refused:
    """Return the error of invalid parameters, to be raised. It is not documented."""
    if modes.missing_parameter == "403":
        return wrong(modes)
    content = json.dumps({"message": why}).encode()
    return Refused(Answer(int(modes.missing_parameter), typed("json"), content, why))


def answered(modes: EditorModes, body: dict[str, Any], led_to: str) -> Answer:
    """Return a success with *body*."""
    if modes.extra == "fields":
        body = {"version": 9, "links": {"self": "/"}} | body
    content = json.dumps(body, ensure_ascii=False).encode()
    return Answer(200, typed(modes.success_type), content, led_to)


def page(parameters: Mapping[str, Any], led_to: str) -> Answer:
    """Return the page instead of the editor."""
    shown = html.escape(json.dumps(parameters, indent=2, ensure_ascii=False))
    text = f'<!DOCTYPE html><meta charset="utf-8"><title>ARES Kudo (fake)</title><pre>{shown}</pre>'
    return Answer(200, {"Content-Type": "text/html; charset=utf-8"}, text.encode(), led_to)


def expiration(mode: str, expires_at: int, now: float) -> dict[str, Any]:
    """Return ``expiration_time`` in the format of *mode*."""
    forms: dict[str, Any] = {
        "seconds": expires_at,
        "milliseconds": expires_at * 1000,
        "float": expires_at + 0.5,
        "text": str(expires_at),
        "words": "tomorrow",
        "past": int(now) - 3600,
        "zero": 0,
        "null": None,
    }
    return {"expiration_time": forms[mode]} if mode in forms else {}
