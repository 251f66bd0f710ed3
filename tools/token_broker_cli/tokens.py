"""`token`: a live token, in the form that is needed, and masked where people look."""

import json
import shlex
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from token_broker_cli.ages import when
from token_broker_cli.desk import Desk
from token_broker_cli.troubles import usage

MASK = "••••••••"

Answer = Mapping[str, Any]


class Form(StrEnum):
    """What is printed."""

    CURL = "curl"
    HEADERS = "headers"
    EXPORT = "export"
    JSON = "json"


def curl(answer: Answer) -> list[str]:
    """Return arguments to paste behind ``curl``."""
    return [f"-H {shlex.quote(line)}" for line in headers(answer)]


def headers(answer: Answer) -> list[str]:
    """Return lines for ``curl -H @-``, which keeps them out of the list of processes."""
    return [f"{name}: {value}" for name, value in answer["headers"].items()]


def export(answer: Answer) -> list[str]:
    """Return lines for ``eval``, each variable named after the flow."""
    values = {
        "HEADER": headers(answer)[0],
        "TOKEN": next(iter(answer["headers"].values())).removeprefix("Bearer "),
        "BASE_URL": answer["base_url"],
        "URL": answer.get("url"),
        "EXPIRES_AT": answer["expires_at"],
    }
    prefix = answer["flow"].upper()
    return [
        f"export {prefix}_{name}={shlex.quote(value)}" for name, value in values.items() if value
    ]


FORMS: dict[Form, Callable[[Answer], list[str]]] = {
    Form.CURL: curl,
    Form.HEADERS: headers,
    Form.EXPORT: export,
}


def token(
    desk: Desk, flow: str, name: str, body: Mapping[str, Any], form: Form, *, show: bool
) -> None:
    """Ask for a token and print it."""
    with desk.screen.waiting("asking the broker"):
        answer = desk.call(flow, name, "token", **body)
    hidden = desk.screen.is_watched and not show
    shown = masked(answer) if hidden else answer
    if form is Form.JSON:
        desk.screen.data(shown)
    else:
        desk.screen.lines(*FORMS[form](shown))
    remark(desk, answer, hidden=hidden)


def remark(desk: Desk, answer: Answer, *, hidden: bool) -> None:
    """Tell who looks at it how long it lives, and how to see it."""
    if desk.screen.is_watched:
        ends = when(answer["expires_at"], int(time.time()))
        desk.screen.note(
            f"generation {answer['generation']}, fingerprint {answer['fingerprint']}, "
            f"from {answer['source']}; ends {ends}"
        )
    if answer["stale"]:
        desk.screen.note("stale: its renewal failed; `token-broker explain` says why", "yellow")
    if hidden:
        desk.screen.note("masked: --show shows it, and a pipe gets it as it is")


def masked(answer: Answer) -> dict[str, Any]:
    """Return *answer* without its token, wherever that stands in it."""
    hidden = {name: mask(value) for name, value in answer["headers"].items()}
    values = [value.removeprefix("Bearer ") for value in answer["headers"].values()]
    url: str = answer.get("url") or ""
    for value in values:
        url = url.replace(value, MASK).replace(quote(value, safe=""), MASK)
    return dict(answer) | {"headers": hidden} | ({"url": url} if url else {})


def mask(value: str) -> str:
    """Return a header's value without its token."""
    return f"Bearer {MASK}" if value.startswith("Bearer ") else MASK


def parameters(text: str | None) -> dict[str, Any] | None:
    """Return the JSON object that *text* is."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise usage(
            "--parameters is no JSON", """Like this: --parameters '{"userId": "42"}'"""
        ) from None
    if not isinstance(value, dict):
        raise usage("--parameters must be a JSON object")
    return value
