"""The emulator as a process of its own, and all that it starts."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from stack.places import HOST, REGION, ROOT, Places

START_SECONDS = 60
"""Until it answers: importing it takes two seconds on a machine that has nothing else to do."""

END_SECONDS = 5


@contextmanager
def emulator(python: Path, places: Places) -> Iterator[None]:
    """Have the emulator answer, run by *python*; when this ends, so do it and its functions."""
    (places.folder / "tmp").mkdir()
    with (places.folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "stack.emulator"],
            cwd=ROOT,
            env=settings(places),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so Ctrl-C is this process's to handle, and none is forgotten
        )
        try:
            wait_until_ready(process, places)
            yield
        finally:
            end(process)


def settings(places: Places) -> Mapping[str, str]:
    """Return the emulator's environment. Its functions get it too, so nothing else is in it."""
    return {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(places.folder / "tmp"),
        "AUTH": "true",
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(places.https_port),
        "USE_SSL": "1",
        "STACK_HTTP_PORT": str(places.http_port),
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_WARM_TTL_SECONDS": "60",  # how long processes of a crowd outlive it
        "LOG_LEVEL": "WARNING",
    }


def wait_until_ready(process: subprocess.Popen[bytes], places: Places) -> None:
    """Wait until the emulator answers; end the run with what it said if it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"{places.http}/_ministack/health", timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise SystemExit((places.folder / "emulator.log").read_text()[-4000:] or "no emulator")


def end(process: subprocess.Popen[bytes]) -> None:
    """End the emulator, and whatever of its process group outlives it."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
