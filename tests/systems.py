"""The local system, run for tests as a person runs it, but for its patience."""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_ports
from token_broker_local.addresses import Addresses

PATIENT = """
from tests.waiting import wait_for_aws
from token_broker_local.__main__ import main

wait_for_aws()
main()
"""


@contextmanager
def system() -> Iterator[Addresses]:
    """Run one on free ports; tell where it is."""
    addresses = free_ports()
    process = subprocess.Popen(
        [sys.executable, "-c", PATIENT],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"PORT": str(addresses.port)},
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
            yield addresses
        finally:
            process.terminate()
            rest.join()
