"""The command in processes of its own: each is forked from one that has loaded all it needs."""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import IO, Any

import boto3
from typer.testing import CliRunner

from tests.sharing import share_models
from tests.waiting import PATIENCE_SECONDS

CLOSED = None
"""For a stream that a process has not."""
STREAMS = ("stdin", "stdout", "stderr")
LONGEST = 100_000
"""Bytes of a message: words and environment."""
SLOW = ("boto3", "requests", "rich.console", "rich.table", "rich.status", "rich.text")
SERVICES = ("cloudformation", "dynamodb", "kms", "secretsmanager", "sts")


def serve(descriptor: int) -> None:
    """Fork a process for each command that is sent, until the sender has ended."""
    package = import_module("token_broker_cli")
    for name in (
        *SLOW,
        *(f"token_broker_cli.{one.name}" for one in iter_modules(package.__path__)),
    ):
        import_module(name)
    CliRunner().invoke(import_module("token_broker_cli.main").app, ["status", "--help"])
    share_models()
    session: Any = boto3.session.Session("local", "local", region_name="eu-west-1")
    for service in SERVICES:
        session.client(service)
    gc.freeze()  # else the first collection in each process copies all of this
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a developer, who ends the tests
    asking = socket.socket(fileno=descriptor)
    while True:
        message, descriptors, _, _ = socket.recv_fds(asking, LONGEST, len(STREAMS))
        if not message:
            return
        process = os.fork()
        if not process:
            asking.close()
            become(json.loads(message), descriptors)
        for one in descriptors:
            os.close(one)
        asking.send(str(process).encode())
        _, status = os.waitpid(process, 0)
        asking.send(str(os.waitstatus_to_exitcode(status)).encode())


def become(asked: Mapping[str, object], descriptors: list[int]) -> None:
    """Run a command and leave with its exit code, as Python does that was started for it."""
    from token_broker_cli.main import app  # noqa: PLC0415 (by the process that forks, only)

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]  # as it was sent
    for number, name in enumerate(STREAMS):
        if name in asked["closed"]:  # type: ignore[operator]  # same
            os.close(number)
            setattr(sys, name, None)
        else:
            given = descriptors.pop(0)
            os.dup2(given, number)
            os.close(given)
            setattr(sys, name, stream(number))
    app(asked["words"])


def stream(number: int) -> IO[str]:
    """Return a standard stream as Python makes it, which was not told to have no buffer."""
    mode, buffering = ("r", -1) if number == 0 else ("w", 1 if number == 2 else -1)
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    return open(number, mode, buffering, encoding)


@cache
def server() -> socket.socket:
    """Start the process that forks; return the way to it."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    script = f"from tests.cli.processes import serve; serve({theirs.fileno()})"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env={name: text for name, text in os.environ.items() if not name.startswith("AWS_")},
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    mine.settimeout(PATIENCE_SECONDS)

    def end() -> None:
        mine.close()
        process.wait(PATIENCE_SECONDS)

    atexit.register(end)
    return mine


class Process:
    """A command that runs; there is one at a time."""

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        streams: Sequence[int | None],
    ) -> None:
        closed = [name for name, one in zip(STREAMS, streams, strict=True) if one is CLOSED]
        asked = {"words": [*words], "environment": {**environment}, "closed": closed}
        given = [one for one in streams if one is not CLOSED]
        socket.send_fds(server(), [json.dumps(asked).encode()], given)
        self._id = int(server().recv(LONGEST))

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        with suppress(ProcessLookupError):
            os.kill(self._id, signal.SIGINT)

    def wait(self) -> int:
        """Return the exit code, at the end."""
        return int(server().recv(LONGEST))


@dataclass(frozen=True)
class Done:
    """What came of a command."""

    returncode: int
    stdout: str
    stderr: str


def run(
    words: Sequence[str],
    environment: Mapping[str, str],
    meanwhile: Callable[[Process], object],
    **sinks: str | int | None,
) -> Done:
    """Run a command without a terminal.

    *meanwhile* is called while it runs. *sinks* are files for its streams, or descriptors, or
    `CLOSED`.
    """
    with ExitStack() as stack:
        files: dict[str, IO[bytes] | None] = {}
        for name in STREAMS:
            sink = sinks.get(name, os.devnull if name == "stdin" else "")
            files[name] = CLOSED if sink is CLOSED else stack.enter_context(opened(sink))
        descriptors = [file.fileno() if file else CLOSED for file in files.values()]
        process = Process(words, environment, descriptors)
        meanwhile(process)
        code = process.wait()
        said = [written(files[name]) for name in STREAMS[1:]]
    return Done(code, *said)


def opened(sink: str | int) -> IO[bytes]:
    """Return the file or the device *sink*, or a file for this stream alone."""
    if isinstance(sink, int):
        return open(sink, "wb", 0)  # noqa: PTH123 (a descriptor)
    return Path(sink).open("r+b", 0) if sink else tempfile.TemporaryFile()


def written(file: IO[bytes] | None) -> str:
    """Return what a process wrote to *file*; nothing if that is a device."""
    if file is None or not file.seekable() or Path(f"/dev/fd/{file.fileno()}").is_char_device():
        return ""
    file.seek(0)
    return file.read().decode()
