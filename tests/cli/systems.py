"""The local system, run for the tests here as a person runs it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.local.callers import free_ports
from token_broker_local.places import Places


@contextmanager
def system() -> Iterator[Places]:
    """Run one on free ports; tell where it is."""
    places = free_ports()
    process = subprocess.Popen(
        [sys.executable, "-m", "token_broker_local"],
        env=os.environ | {"PORT": str(places.port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert any(line.startswith("ready") for line in process.stdout)
    try:
        yield places
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
        process.stdout.close()
