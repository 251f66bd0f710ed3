"""The local system, run for tests as a person runs it."""

import os
import subprocess
import sys
import threading
from collections import deque
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
    with process, process.stdout as lines:
        assert any(line.startswith("ready") for line in lines)
        rest = threading.Thread(target=deque, args=(lines, 0))
        rest.start()
        try:
            yield places
        finally:
            process.terminate()
            rest.join()
