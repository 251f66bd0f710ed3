"""What a person is asked, and what is read past the shell: no secret is ever an argument."""

import sys
from pathlib import Path
from typing import Any

import typer

from token_broker_cli.troubles import Trouble, usage

LONGEST = 65_536
"""Bytes that Secrets Manager keeps in one secret."""


def is_somebody_there() -> bool:
    """Say whether questions can be answered: stdin may be a file, or closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def prompt(text: str, default: str | None = None, *, hide: bool = False) -> str:
    """Return what a person types; what is hidden is typed unseen, and proposes nothing."""
    shown = bool(default) and not hide
    answer = _asked(typer.prompt, text, default=default, hide_input=hide, show_default=shown)
    return str(answer).strip()


def confirm(question: str) -> None:
    """Ask whether that is meant; raise `Trouble` if it is not."""
    if not is_somebody_there():
        raise usage("there is nobody to ask whether that is meant", "Say so: --yes")
    if not _asked(typer.confirm, question):
        raise aborted()


def _asked(ask: Any, text: str, **options: Any) -> Any:
    try:
        return ask(text, err=True, **options)
    except typer.Abort as error:
        sys.stderr.write("\n")  # the question stands there yet
        # Typer makes one of two: Ctrl-C ends the command, the end of the input only the question.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise aborted() from None


def aborted() -> Trouble:
    """Return the trouble that a person is not sure."""
    return Trouble("aborted", "nothing was changed")


def content(file: str) -> bytes:
    """Return what is in *file*, or on stdin for ``-``. Raises `Trouble`."""
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
