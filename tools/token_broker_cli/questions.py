"""The questions to an operator for each flow, and input from files and stdin.

No secret is ever an argument: it is typed unseen, or it comes from a file.
"""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import typer

from token_broker_cli.errors import CommandError, usage
from token_broker_cli.settings import LocalSystem
from token_broker_descriptors import Question, asked, every

LONGEST = 65_536
"""Bytes that Secrets Manager keeps in one secret."""


def can_ask() -> bool:
    """Return whether questions can be answered: stdin may be a file, or closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def prompt(text: str, default: str | None = None, *, hide: bool = False) -> str:
    """Return the operator's input; a hidden one has no echo and no default."""
    shown = bool(default) and not hide
    answer = _asked(typer.prompt, text, default=default, hide_input=hide, show_default=shown)
    return str(answer).strip()


def confirm(question: str) -> None:
    """Ask for confirmation; raise `CommandError` if the answer is no."""
    if not can_ask():
        raise usage("stdin is no terminal to confirm on", "Say so: --yes")
    if not _asked(typer.confirm, question):
        raise aborted()


def _asked(ask: Any, text: str, **options: Any) -> Any:
    try:
        # Typer's `err` leaves a blank on stdout.
        with redirect_stdout(sys.stderr):
            return ask(text, **options)
    except typer.Abort as error:
        sys.stderr.write("\n")  # the question stands there yet
        # Typer makes one of two: Ctrl-C ends the command, the end of the input only the question.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise aborted() from None


def aborted() -> CommandError:
    """Return the error of an answer no."""
    return CommandError("aborted", "nothing was changed")


def content(file: str) -> bytes:
    """Return the content of *file*, or stdin for ``-``. Raises `CommandError`."""
    if file == "-" and sys.stdin is None:
        raise usage("--file: stdin is closed")
    try:
        found = sys.stdin.buffer.read(LONGEST + 1) if file == "-" else _first(Path(file))
    except OSError as error:
        raise usage(f"--file: {error.strerror}") from None
    if len(found) > LONGEST:
        raise usage(f"--file: more than {LONGEST} bytes")
    return found


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST + 1)


Document = dict[str, Any]


def ask_for_secret(flow: str, kept: Mapping[str, Any], local: LocalSystem | None) -> Document:
    """Ask the questions of *flow*; return the answers merged over the *kept* document."""
    document = dict(kept)
    places = places_of(flow, local) if local else {}
    for question in every()[flow].questions:
        ask_one(question, kept, document, places)
    return pinned(flow, document)


def pinned(flow: str, document: Document) -> Document:
    """Ask which fields of *document* are pinned; return it with the answer."""
    given: dict[str, Any] = {}
    for field in every()[flow].fields:
        value = document.get(field.name)
        given |= value if isinstance(value, dict) else {field.name: value}
    names = [name for name, value in given.items() if value is not None]
    before = document.get("pinned")
    rest = {key: value for key, value in document.items() if key != "pinned"}
    if not names:
        return rest
    kept = ", ".join(name for name in names if isinstance(before, list) and name in before)
    hint = ", ".join(names) + ("" if kept else "; empty: none")
    answer = prompt(f"Pinned, so that callers may not choose it (of {hint})", kept)
    chosen = [name.strip() for name in answer.split(",") if name.strip() not in ("", "-")]
    return rest | ({"pinned": chosen} if chosen else {})


def ask_one(
    question: Question, kept: Mapping[str, Any], document: Document, places: Mapping[str, str]
) -> None:
    """Ask for one key, or its alternatives without an answer; write them to *document*."""
    proposed = question.local.format(**places) if question.local and places else None
    default = kept.get(question.key, proposed)
    answer = answered(question, default if isinstance(default, str) else None)
    document.pop(question.key, None)
    if answer and not (question.is_implied and answer == question.default):
        document[question.key] = answer
    for key, value in question.at_loopback.items():
        if is_here(answer):
            document[key] = value
        elif document.get(key) == value:
            del document[key]
    for other in question.instead:
        if answer:
            document.pop(other.key, None)
        else:
            ask_one(other, kept, document, places)


def answered(question: Question, kept: str | None = None) -> str:
    """Return the answer to *question*; *kept* is the current value."""
    if question.is_secret:
        default = "" if question.instead or question.is_optional else None
        return prompt(question.text, default, hide=True)
    default = kept or question.default or ("" if question.is_optional else None)
    hint = " (empty: none)" if question.is_optional and not default else ""
    return prompt(f"{question.text}{hint}", default)


def places_of(flow: str, local: LocalSystem) -> Mapping[str, str]:
    """Return the local system's addresses for a vendor, as defaults."""
    url = local.url(flow)
    return {"url": url, "address": url.removeprefix("http://")}


def is_here(host: str) -> bool:
    """Return whether *host* is this machine."""
    return host.partition(":")[0] in {"127.0.0.1", "localhost"}


def is_same_login(flow: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether both have the same login."""
    keys = [question.key for question in asked(every()[flow].questions) if question.is_login]
    return all(one.get(key) == other.get(key) for key in keys)
