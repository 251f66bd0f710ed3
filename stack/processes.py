"""The emulator in a separate process, with its child processes."""

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
"""Seconds until it must answer; its import takes two seconds on an idle machine."""

END_SECONDS = 5


@contextmanager
def emulator(python: Path, places: Places) -> Iterator[None]:
    """Run the emulator by *python* during the context; end it with its functions."""
    (places.folder / "tmp").mkdir()
    with (places.folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "stack.emulator"],
            cwd=ROOT,
            env=settings(places),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that only this process handles Ctrl-C
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
        "LAMBDA_WARM_TTL_SECONDS": "60",  # the seconds that idle processes stay
        "LOG_LEVEL": "WARNING",
    }


def wait_until_ready(process: subprocess.Popen[bytes], places: Places) -> None:
    """Wait until the emulator answers; on failure exit with its log."""
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
    """End the emulator and its process group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
