"""Two engines with atomic conditional writes: moto behind one lock, and dynalite."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DYNALITE = Path(__file__).parents[2] / ".tools" / "dynalite" / "node_modules" / ".bin" / "dynalite"
"""Where `make test` puts it, if there is a Node."""

START_SECONDS = 20


def has_dynalite() -> bool:
    """Say whether the second engine can be started here."""
    return DYNALITE.exists() and shutil.which("node") is not None


@contextmanager
def dynalite() -> Iterator[str]:
    """Run dynalite, all in memory, for as long as this lasts; yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(DYNALITE), "--port", str(port), "--createTableMs", "0"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=dict(os.environ))
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    """Return when something answers on *port*."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing answers on port {port}")
