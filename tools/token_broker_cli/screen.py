"""What is shown, and to whom: people get colours and tables, machines JSON, nobody a secret.

Answers go to stdout; notes, questions and errors to stderr. Colours end where a pipe begins, and
with NO_COLOR.
"""

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

from token_broker_cli.troubles import Trouble

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text


class Screen:
    """Where a command writes."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        for stream in (sys.stdout, sys.stderr):
            # A terminal that lacks a sign gets a question mark instead of a traceback.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")

    @property
    def is_watched(self) -> bool:
        """Say whether what is written to stdout appears before somebody's eyes."""
        return sys.stdout.isatty()

    def data(self, document: object) -> None:
        """Write *document* as JSON: a line for a pipe, indented for a reader."""
        if self.is_watched:
            print(plain(json.dumps(document, indent=2, ensure_ascii=False)), flush=True)
        else:
            print(json.dumps(document, ensure_ascii=False), flush=True)

    def lines(self, *lines: str) -> None:
        """Write *lines* exactly as they are."""
        print("\n".join(lines), flush=True)

    def show(self, *parts: "RenderableType") -> None:
        """Show people a table, or text."""
        self._out.print(*parts, sep="\n")

    def note(self, text: str, style: str = "dim") -> None:
        """Tell people something beside the answer; machines that read JSON need not know."""
        if not self.json:
            from rich.text import Text  # noqa: PLC0415 (slow, and `--help` does without)

            self._say(Text(plain(text), style))

    def waiting(self, text: str) -> AbstractContextManager[object]:
        """Show a person that something is being done, as long as it is."""
        if self.json or not self._err.is_terminal:
            return nullcontext()
        return self._err.status(f"{text} …")

    def fail(self, trouble: Trouble) -> None:
        """Say what went wrong."""
        if self.json:
            print(json.dumps(trouble.document(), ensure_ascii=False), file=sys.stderr)
            return
        from rich.text import Text  # noqa: PLC0415 (slow, and `--help` does without)

        line = Text.assemble(
            (trouble.code, "bold red"), ": ", plain(trouble.detail), facts(trouble)
        )
        self._say(line)
        if trouble.advice:
            self._say(Text(f"→ {trouble.advice}", "cyan"))

    def _say(self, line: "Text") -> None:
        """Write a line to stderr, which nobody but a terminal breaks."""
        self._err.print(line, soft_wrap=not self._err.is_terminal)

    @cached_property
    def _out(self) -> "Console":
        return console(stderr=False)

    @cached_property
    def _err(self) -> "Console":
        return console(stderr=True)


def console(*, stderr: bool) -> "Console":
    """Return a console that takes every text as it is."""
    from rich.console import Console  # noqa: PLC0415 (slow, and `--help` does without)

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


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
