"""What is shown, and to whom: people get colours and tables, pipes lines, machines JSON.

Answers go to stdout; notes, questions and errors to stderr. Nobody gets a secret. Colours end where
a pipe begins, and with NO_COLOR.
"""

import codecs
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from token_broker_cli.troubles import Trouble

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

NARROW = 72
"""Columns below which a table of many columns would be all folds."""

SIGNS = str.maketrans("█▉▊▋▌▍▎▏░✓✗→…•·", "#=======.+x>.*-")
"""For terminals whose encoding has no others."""


def _sign(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for signs that cannot be encoded: a traceback helps nobody."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end].translate(SIGNS)
    return "".join(sign if sign.isascii() else "?" for sign in signs), error.end


codecs.register_error("signs", _sign)


class Screen:
    """Where a command writes."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        if sys.stderr is None:  # closed; what is said there must not end up in the answer
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 (as long as the process)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="signs")

    @property
    def is_watched(self) -> bool:
        """Say whether what is written to stdout appears before somebody's eyes."""
        return sys.stdout is not None and sys.stdout.isatty()

    @property
    def width(self) -> int:
        """The columns that people see."""
        return self._out.width

    def check(self) -> None:
        """Raise `Trouble` if no answer can be written: nothing needs to be asked then."""
        if sys.stdout is None:
            raise Trouble("output_failed", "the answer cannot be written: stdout is closed")

    def data(self, document: object) -> None:
        """Write *document* as JSON: a line for a pipe, indented for a reader."""
        if self.is_watched:
            self.lines(plain(json.dumps(document, indent=2, ensure_ascii=False)))
        else:
            self.lines(json.dumps(document))

    def lines(self, *lines: str) -> None:
        """Write *lines* exactly as they are."""
        with written():
            print("\n".join(lines), flush=True)

    def show(self, *parts: "RenderableType") -> None:
        """Show people what is folded and coloured for them."""
        with written():
            self._out.print(*parts, sep="\n")

    def rows(self, rows: Iterable[tuple[str, ...]]) -> None:
        """Write *rows* for a pipe, a line each, with tabs between the cells."""
        text = ["\t".join(" ".join(plain(cell).split()) for cell in row) for row in rows]
        self.lines(*text)

    def note(self, text: str, style: str = "dim") -> None:
        """Tell people something beside the answer; machines that read JSON need not know."""
        if not self.json:
            from rich.text import Text  # noqa: PLC0415 (slow, and `--help` does without)

            self._say(Text(plain(text), style))

    def waiting(self, text: str) -> AbstractContextManager[object]:
        """Show a person that something is being done, as long as it is."""
        if self.json or not self._err.is_terminal:
            return nullcontext()
        # Not every encoding has the usual spinner's signs.
        return self._err.status(f"{text} …", spinner="line")

    def fail(self, trouble: Trouble) -> None:
        """Say what went wrong, in one line, and below it what to do."""
        if self.json:
            with if_possible():
                print(json.dumps(trouble.document()), file=sys.stderr, flush=True)
            return
        from rich.text import Text  # noqa: PLC0415 (slow, and `--help` does without)

        line = Text.assemble(
            (trouble.code, "bold red"), ": ", plain(trouble.detail), facts(trouble)
        )
        self._say(line)
        if trouble.advice:
            self._say(Text(f"→ {trouble.advice}", "cyan"))

    def _say(self, line: "Text") -> None:
        """Write a line to stderr, if that can be; nobody but a terminal breaks it."""
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
    """Turn an answer that cannot be written into a `Trouble`; a reader that left is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Trouble("output_failed", f"the answer cannot be written: {error.strerror}") from None


@contextmanager
def if_possible() -> Iterator[None]:
    """Leave out what cannot be written to stderr: there is nowhere to complain about that."""
    try:
        yield
    except OSError:
        drop(2)


def drop(descriptor: int = 1) -> None:
    """Have what is left to write go nowhere: it cannot be written, and would fail again."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def console(*, stderr: bool) -> "Console":
    """Return a console that takes every text as it is."""
    from rich.console import Console  # noqa: PLC0415 (slow, and `--help` does without)

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def pairs(rows: Iterable[tuple["str | Text", ...]], *styles: str) -> "Table":
    """Return *rows* of a few cells for people; the last one folds."""
    from rich.table import Table  # noqa: PLC0415 (slow, and `--help` does without)

    grid = Table.grid(padding=(0, 2, 0, 0))
    for style in styles:
        grid.add_column(style=style, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def facts(trouble: Trouble) -> str:
    """Return what the vendor said, and when to come back, in brackets."""
    known = trouble.facts
    parts = [
        f"the vendor's code is {known['upstream_code']}" if "upstream_code" in known else "",
        f"try again in {known['retry_after']:.0f} s" if "retry_after" in known else "",
    ]
    told = "; ".join(filter(None, parts))
    return f" ({plain(told)})" if told else ""


def plain(value: Any) -> str:
    """Return *value* as text that cannot steer a terminal: what a vendor says may be anything."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "·" for sign in str(value))
