"""A Lambda function under AWS's runtime interface emulator and client, from its cold start on.

The emulator ships inside aws-sam-cli; the runtime's Python, client and boto3 are `.bench`'s.
"""

import json
import os
import platform
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
BENCH = ROOT / ".bench"
PYTHON = BENCH / "venv" / "bin" / "python"
RUNTIME = BENCH / "runtime"
"""The content of /var/runtime: boto3 and the runtime's client."""

INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
INVOKE = re.compile(r"INVOKE RTDONE\(.*duration: ([\d.]+)ms\)")
PATIENCE = 30


def emulator() -> Path:
    """Return the path of the emulator for this machine."""
    kind = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
    [found] = (ROOT / ".tools").glob(f"sam/lib/*/site-packages/samcli/local/rapid/*-{kind}")
    if not os.access(found, os.X_OK):
        found.chmod(0o755)
    return found


@dataclass
class Function:
    """A function to start: its *path* (task, layers), environment and handler."""

    path: Sequence[Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    handler: str = "app.handler"


class Running:
    """A function in the emulator. It starts, cold, with its first invocation."""

    def __init__(self, function: Function) -> None:
        self._port, runtime = free_port(), free_port()
        task = function.path[0]
        path = os.pathsep.join(map(str, [*function.path, RUNTIME]))
        self._log = TemporaryFile()  # noqa: SIM115 (closed on exit)
        self._process = subprocess.Popen(
            [
                emulator(),
                "--runtime-interface-emulator-address",
                f"127.0.0.1:{self._port}",
                "--runtime-api-address",
                f"127.0.0.1:{runtime}",
                PYTHON,
                "-m",
                "awslambdaric",
                function.handler,
            ],
            cwd=task,
            env=base(task, path) | dict(function.environment),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return self
            time.sleep(0.005)
        raise TimeoutError("the emulator does not listen")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if kind:
            print(self.log[-4000:])
        self._log.close()

    @property
    def log(self) -> str:
        """The output of the emulator and the function."""
        return os.pread(self._log.fileno(), 1 << 22, 0).decode(errors="replace")

    def invoke(self, event: object) -> Any:
        """Return the answer to *event*. Raises `RuntimeError` if there is a failure instead."""
        url = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, json.dumps(event).encode())
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            answer = json.loads(response.read())
        if isinstance(answer, dict) and (
            "errorType" in answer or answer.get("statusCode", 0) > 299
        ):
            raise RuntimeError(f"{answer}")
        return answer

    def processor(self) -> float:
        """Return the CPU milliseconds of the function's process."""
        task = f"/proc/{self._process.pid}/task"
        children = [
            child
            for thread in Path(task).iterdir()
            for child in (thread / "children").read_text().split()
        ]
        times = [Path(f"/proc/{child}/schedstat").read_text().split()[0] for child in children]
        return sum(map(int, times)) / 1e6

    def durations(self) -> tuple[float, float]:
        """Return the milliseconds of the start and of the first invocation."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            started, invoked = INIT.search(self.log), INVOKE.search(self.log)
            if started and invoked:
                return float(started[1]), float(invoked[1])
            time.sleep(0.005)
        raise TimeoutError("the emulator reports nothing")


def base(task: Path, path: str) -> dict[str, str]:
    """Return the environment that Lambda gives a function."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "en_US.UTF-8",
        "LAMBDA_TASK_ROOT": str(task),
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",  # /opt and /var/task are read-only
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "20",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
