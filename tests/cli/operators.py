"""An operator: types commands, looks at a terminal, or reads from a pipe."""

import json
import os
import pty
import re
import select
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from typing import Any
from urllib.request import Request, urlopen

from typer.testing import CliRunner, Result

from tests.cli.processes import Process
from tests.waiting import PATIENCE_SECONDS
from token_broker_cli.main import app
from token_broker_local.addresses import Addresses

COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TERMINAL = {"TERM": "xterm-256color", "LINES": "40"}


@dataclass(frozen=True)
class Operator:
    """Works with the system at *places*."""

    places: Addresses

    @property
    def at(self) -> list[str]:
        return ["--port", str(self.places.port)]

    def says(self, *words: str, stdin: str | None = None) -> Result:
        """Run a command in this process."""
        return CliRunner().invoke(app, [*words, *self.at], input=stdin)

    def told(self, *words: str, stdin: str | None = None) -> Any:
        """Return what a command that succeeds answers with --json."""
        result = self.says(*words, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def switches(self, flow: str, method: str, body: dict[str, Any]) -> None:
        """Have the fake of a vendor behave in another way."""
        content = json.dumps(body).encode()
        request = Request(f"{self.places.url(flow)}/_control", content, method=method)  # noqa: S310 (it is on loopback)
        with urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310 (same)
            response.read()

    def asked(self, flow: str, step: str) -> int:
        """Return how often the fake of a vendor was asked for *step*."""
        with urlopen(f"{self.places.url(flow)}/_control", timeout=PATIENCE_SECONDS) as response:  # noqa: S310 (same)
            return int(json.load(response)["counts"].get(step, 0))


def on_terminal(words: Sequence[str]) -> str:
    """Return what stays on a terminal after a command, without colours. In this process."""
    return COLOUR.sub("", coloured(words))


class Terminal(StringIO):
    """A stream that shows colours."""

    def isatty(self) -> bool:
        return True


def coloured(words: Sequence[str]) -> str:
    """Return what stays on a terminal after a command. In this process."""
    screen = Terminal()
    with redirect_stdout(screen), redirect_stderr(screen), suppress(SystemExit):
        app([*words])
    lines = [line.rpartition("\r")[2] for line in screen.getvalue().split("\n")]
    return "\n".join(line for line in lines if not line.endswith(" …"))  # what waits is wiped off


def watched(
    words: list[str], answers: Sequence[str | None] = (), **environment: str
) -> tuple[int, str]:
    """Run a command on a terminal of 80 columns and answer its questions; None is Ctrl-C."""
    mine, theirs = pty.openpty()
    process = Process(words, os.environ | TERMINAL | {"COLUMNS": "80"} | environment, [theirs] * 3)
    os.close(theirs)
    seen, left = b"", [*answers]
    while chunk := more(mine):
        seen += chunk
        # Two signs: a hidden question drops what is typed before it is asked.
        if left and seen.endswith((b": ", b"]: ")):
            typed = left.pop(0)
            if typed is None:
                interrupt(process, mine)
            else:
                os.write(mine, f"{typed}\n".encode())
    os.close(mine)
    return process.wait(), seen.decode().replace("\r\n", "\n")


def interrupt(process: Process, terminal: int) -> None:
    """Press Ctrl-C until something is seen of it: Python loses one that comes as it asks."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        process.interrupt()
        if select.select([terminal], [], [], 0.2)[0]:
            return


def more(terminal: int) -> bytes:
    """Return what appears next, nothing at the end."""
    ready, _, _ = select.select([terminal], [], [], PATIENCE_SECONDS)
    try:
        return os.read(terminal, 65536) if ready else b""
    except OSError:
        return b""
