"""Output: colours and tables on a terminal, lines in a pipe, JSON with ``--json``.

Answers go to stdout; notes, questions and errors to stderr. No secret is ever shown. Colours are
for terminals, and end with NO_COLOR.
"""

import codecs
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from token_broker_cli.errors import CommandError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

NARROW = 72
"""Columns below which a table of many columns would be all folds."""

SIGNS = str.maketrans("█▉▊▋▌▍▎▏░✓✗→…•·", "#=======.+x>.*-")
"""For terminals whose encoding has no others."""


def _sign(error: UnicodeError) -> tuple[str, int]:
    """Return a replacement for signs that the terminal's encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end].translate(SIGNS)
    return "".join(sign if sign.isascii() else "?" for sign in signs), error.end


codecs.register_error("signs", _sign)


class Screen:
    """The output of a command."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        if sys.stderr is None:  # closed; what is said there must not end up in the answer
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 (as long as the process)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="signs")

    @property
    def is_terminal(self) -> bool:
        """Return whether stdout is a terminal."""
        return sys.stdout is not None and sys.stdout.isatty()

    @property
    def width(self) -> int:
        """The width in columns."""
        return self._out.width

    def check(self) -> None:
        """Raise `CommandError` if stdout is closed, before anything is done."""
        if sys.stdout is None:
            raise CommandError("output_failed", "the answer cannot be written: stdout is closed")

    def data(self, document: object) -> None:
        """Write *document* as JSON: a line for a pipe, indented for a reader."""
        if self.is_terminal:
            self.lines(plain(json.dumps(document, indent=2, ensure_ascii=False)))
        else:
            self.lines(json.dumps(document))

    def lines(self, *lines: str) -> None:
        """Write *lines* exactly as they are."""
        with written():
            print("\n".join(lines), flush=True)

    def show(self, *parts: "RenderableType") -> None:
        """Show tables and colours on a terminal."""
        with written():
            self._out.print(*parts, sep="\n")

    def rows(self, rows: Iterable[tuple[str, ...]]) -> None:
        """Write *rows* for a pipe, a line each, with tabs between the cells."""
        text = ["\t".join(" ".join(plain(cell).split()) for cell in row) for row in rows]
        if text:
            self.lines(*text)

    def note(self, text: str, style: str = "dim") -> None:
        """Add a remark on stderr; with JSON there is none."""
        if not self.json:
            from rich.text import Text  # noqa: PLC0415 (slow, and `--help` does without)

            self._say(Text(plain(text), style))

    def waiting(self, text: str) -> AbstractContextManager[object]:
        """Show on a terminal that a call is under way."""
        if self.json or not self._err.is_terminal:
            return nullcontext()
        # Not every encoding has the usual spinner's signs.
        return self._err.status(f"{text} …", spinner="line")

    def fail(self, error: CommandError) -> None:
        """Report an error in one line, with its advice below."""
        if self.json:
            with if_possible():
                print(json.dumps(error.document()), file=sys.stderr, flush=True)
            return
        from rich.text import Text  # noqa: PLC0415 (slow, and `--help` does without)

        line = Text.assemble((error.code, "bold red"), ": ", plain(error.detail), facts(error))
        self._say(line)
        if error.advice:
            self._say(Text(f"→ {error.advice}", "cyan"))

    def _say(self, line: "Text") -> None:
        """Write a line to stderr, if possible; only a terminal breaks it."""
        with if_possible():
            self._err.print(line, soft_wrap=not self._err.is_terminal)

    @cached_property
    def _out(self) -> "Console":
        return console(stderr=False)

    @cached_property
    def _err(self) -> "Console":
        return console(stderr=True)


@contextmanager
def written() -> Iterator[None]:
    """Turn a failed write into a `CommandError`; a closed pipe is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()
        raise CommandError(
            "output_failed", f"the answer cannot be written: {error.strerror}"
        ) from None


@contextmanager
def if_possible() -> Iterator[None]:
    """Ignore a failed write to stderr: it cannot be reported."""
    try:
        yield
    except OSError:
        discard_output(2)


def discard_output(descriptor: int = 1) -> None:
    """Discard the rest of the output, for Python writes it again at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def console(*, stderr: bool) -> "Console":
    """Return a console without markup."""
    from rich.console import Console  # noqa: PLC0415 (slow, and `--help` does without)

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def grid(rows: Iterable[tuple["str | Text", ...]], *styles: str) -> "Table":
    """Return *rows* of a few cells as a table; the last cell folds."""
    from rich.table import Table  # noqa: PLC0415 (slow, and `--help` does without)

    grid = Table.grid(padding=(0, 2, 0, 0))
    for style in styles:
        grid.add_column(style=style, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def facts(error: CommandError) -> str:
    """Return the vendor's message and the time of a retry, in brackets."""
    known = error.facts
    parts = [
        f"the vendor's code is {known['upstream_code']}" if "upstream_code" in known else "",
        f"try again in {known['retry_after']:.0f} s" if "retry_after" in known else "",
    ]
    text = "; ".join(filter(None, parts))
    return f" ({plain(text)})" if text else ""


def plain(value: Any) -> str:
    """Return *value* as text without control characters: a vendor's message may have any."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "·" for sign in str(value))
