"""`token`, `check`, `verify`, `forget`, `hold` and `lift`: calls of the broker on a connection."""

import shlex
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import quote

from token_broker_cli.context import Context
from token_broker_cli.errors import FAILURE, usage
from token_broker_cli.questions import can_ask, confirm, content, prompt
from token_broker_cli.screen import grid, plain
from token_broker_cli.variants import when
from token_broker_client.request import CHECKING, VERIFYING

MASK = "••••••••"

Answer = Mapping[str, Any]


class Form(StrEnum):
    """The form of the output."""

    CURL = "curl"
    HEADERS = "headers"
    EXPORT = "export"
    JSON = "json"


def curl(answer: Answer) -> list[str]:
    """Return arguments for ``curl``."""
    return [f"-H {shlex.quote(line)}" for line in headers(answer)]


def headers(answer: Answer) -> list[str]:
    """Return lines for ``curl -H @-``, which keeps them out of the list of processes."""
    return [f"{name}: {value}" for name, value in answer["headers"].items()]


def export(answer: Answer) -> list[str]:
    """Return lines for ``eval``, each variable named after the flow."""
    first, *others = headers(answer)
    values = {
        "HEADER": first,
        **{f"HEADER_{number}": line for number, line in enumerate(others, 2)},
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
    context: Context, flow: str, name: str, body: Mapping[str, Any], form: Form, *, show: bool
) -> None:
    """Ask for a token and print it."""
    with context.screen.waiting("asking the broker"):
        answer = context.call(flow, name, "token", **body)
    hidden = context.screen.is_terminal and not show
    shown = masked(answer) if hidden else answer
    if form is Form.JSON:
        context.screen.data(shown)
    else:
        context.screen.lines(*FORMS[form](shown))
    remark(context, answer, hidden=hidden)


def remark(context: Context, answer: Answer, *, hidden: bool) -> None:
    """Note on stderr how long the token lives and how to show it."""
    if context.screen.is_terminal:
        ends = when(answer["expires_at"], int(time.time()))
        context.screen.note(
            f"generation {answer['generation']}, fingerprint {answer['fingerprint']}, "
            f"from {answer['source']}; ends {ends}"
        )
    if answer["stale"]:
        context.screen.note("stale: its renewal failed; `token-broker explain` says why", "yellow")
    if hidden:
        context.screen.note("masked: --show shows it, and a pipe gets it as it is")


def masked(answer: Answer) -> dict[str, Any]:
    """Return *answer* with each occurrence of its token masked."""
    hidden = {name: mask(value) for name, value in answer["headers"].items()}
    values = [value.removeprefix("Bearer ") for value in answer["headers"].values()]
    url: str = answer.get("url") or ""
    for value in values:
        url = url.replace(value, MASK).replace(quote(value, safe=""), MASK)
    return dict(answer) | {"headers": hidden} | ({"url": url} if url else {})


def mask(value: str) -> str:
    """Return a header's value without its token."""
    return f"Bearer {MASK}" if value.startswith("Bearer ") else MASK


def check(context: Context, flow: str, name: str, body: Mapping[str, Any]) -> None:
    """Have the broker check a connection, and show the token's context."""
    if flow not in CHECKING:
        raise usage(f"FLOW must be one of {', '.join(CHECKING)}")
    with context.screen.waiting("asking the broker, and it the vendor"):
        answer = context.call(flow, name, "check", **body)
    if context.screen.json:
        context.screen.data(answer)
        return
    took = f"{flow}/{name}: it works, in {round(answer['milliseconds'])} ms"
    known = [f"{plain(key)} {plain(value)}" for key, value in answer["context"].items() if value]
    context.screen.lines("; ".join(filter(None, (took, ", ".join(known)))))


def verify(context: Context, flow: str, name: str, file: str | None) -> int:
    """Verify a token from a hidden prompt or stdin; return the exit code."""
    if flow not in VERIFYING:
        raise usage(f"--flow must be one of {', '.join(VERIFYING)}")
    # As `token --format headers` has it, it may come in its header.
    value = typed_token(file).rpartition(": ")[2].strip()
    if not value:
        raise usage("there is no token in it", f"Give one: `token-broker token {flow} NAME`.")
    answer = context.call(flow, name, "verify", token=value)
    if context.screen.json:
        context.screen.data(answer)
    else:
        show_verified(context, answer)
    return 0 if answer["valid"] else FAILURE


def show_verified(context: Context, answer: Mapping[str, Any]) -> None:
    """Show whether a token is valid, and its parameters."""
    verdict = "valid" if answer["valid"] else "not valid: unknown, or it ended"
    rows = [(plain(key), plain(value)) for key, value in answer.get("parameters", {}).items()]
    if context.screen.is_terminal:
        from rich.text import Text  # noqa: PLC0415 (slow, and `--help` does without)

        style = "bold green" if answer["valid"] else "bold red"
        context.screen.show(Text(verdict, style), grid([(k, Text(v)) for k, v in rows], "dim", ""))
    else:
        context.screen.rows([(verdict,), *rows])


def typed_token(file: str | None) -> str:
    """Return the token. It is no argument, for shells and process lists show those."""
    if file is None and not can_ask():
        raise usage("stdin is no terminal to ask on", "Give it by stdin: --file -")
    if file is None:
        return prompt("Token", hide=True)
    try:
        return content(file).decode().strip()
    except UnicodeDecodeError:
        raise usage("--file: no text in UTF-8") from None


def forget(context: Context, flow: str, name: str, *, sure: bool) -> None:
    """Have the broker forget the tokens, after the operator's confirmation."""
    what = f"the tokens of {flow}/{name}"
    if not sure:
        confirm(f"Forget {what} ({context.where})? Callers get new ones on their next call")
    context.announce(f"forgetting {what}")
    context.changes = True
    answer = context.call(flow, name, "forget")
    if context.screen.json:
        context.screen.data({"flow": flow, "connection": name} | context.target | answer)
        return
    count = answer["forgotten"]
    tokens = f"{count} token{'' if count == 1 else 's'}"
    context.screen.lines(f"forgotten: {tokens} of {flow}/{name} ({context.where})")
    context.screen.note("the next call makes a new one; a latch is lifted")
    if not answer.get("complete", True):
        context.screen.note("there are more: run it again", "yellow")


def hold(context: Context, flow: str, name: str, reason: str) -> None:
    """Have the broker hold a connection."""
    context.announce(f"holding {flow}/{name}")
    change(context, flow, name, "hold", reason=reason)
    if not context.screen.json:
        context.screen.lines(f"held: {flow}/{name} ({context.where})")
        context.screen.note(
            "no more tokens are handed out; those in memory stop within MEMORY_SECONDS"
        )


def lift(context: Context, flow: str, name: str) -> None:
    """Have the broker end the hold of a connection, if there is one."""
    context.announce(f"lifting the hold of {flow}/{name}")
    change(context, flow, name, "lift")
    if not context.screen.json:
        context.screen.lines(f"not held: {flow}/{name} ({context.where})")
        context.screen.note("the next call gets a token")


def change(
    context: Context, flow: str, name: str, action: Literal["hold", "lift"], **body: str
) -> None:
    """Ask the broker for a change; with `--json`, show its answer."""
    context.changes = True
    answer = context.call(flow, name, action, **body)
    if context.screen.json:
        own = {"flow": flow, "connection": name}
        context.screen.data(own | context.target | {"held": answer.get("held")})
