"""Two engines with atomic conditional writes: moto behind one lock, and dynalite."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.ports import free_ports
from tests.waiting import PATIENCE_SECONDS, wait_until

DYNALITE = Path(__file__).parents[2] / ".tools" / "dynalite" / "node_modules" / ".bin" / "dynalite"
"""The path where `make test` installs dynalite, if Node is available."""


def has_dynalite() -> bool:
    """Return whether the second engine can be started here."""
    return DYNALITE.exists() and shutil.which("node") is not None


@contextmanager
def dynalite() -> Iterator[str]:
    """Run dynalite in memory during the context; yield its URL."""
    port = free_ports().port
    command = [str(DYNALITE), "--port", str(port), "--createTableMs", "0"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    """Return when something answers on *port*."""

    def answers() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS):
            return True
        return False

    wait_until(answers)
