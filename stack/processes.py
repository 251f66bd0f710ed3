"""The emulator in a separate process, with its child processes."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from stack.settings import HOST, REGION, ROOT, Settings

START_SECONDS = 60
"""Limit until the emulator answers; its import takes two seconds on an idle machine."""

STOP_SECONDS = 5


@contextmanager
def emulator(python: Path, settings: Settings) -> Iterator[None]:
    """Run the emulator by *python* during the context; stop it with its functions."""
    (settings.folder / "tmp").mkdir()
    with (settings.folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "stack.emulator"],
            cwd=ROOT,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that only this process handles Ctrl-C
        )
        try:
            wait_until_ready(process, settings)
            yield
        finally:
            stop(process)


def environment(settings: Settings) -> Mapping[str, str]:
    """Return the emulator's environment, and nothing else: its functions inherit it."""
    return {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(settings.folder / "tmp"),
        "AUTH": "true",
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(settings.https_port),
        "USE_SSL": "1",
        "STACK_HTTP_PORT": str(settings.http_port),
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_WARM_TTL_SECONDS": "60",  # the lifetime of idle processes
        "LOG_LEVEL": "WARNING",
    }


def wait_until_ready(process: subprocess.Popen[bytes], settings: Settings) -> None:
    """Wait until the emulator answers; on failure exit with its log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"{settings.http_url}/_ministack/health", timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise SystemExit((settings.folder / "emulator.log").read_text()[-4000:] or "no emulator")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the emulator and its process group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
