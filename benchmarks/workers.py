"""Function workers as in Lambda: separate processes, each with one call at a time.

Each worker is the built function of the editor under AWS's runtime client. A thread for each worker
hands it one event after the other, as Lambda's runtime API does. AWS and the vendor's fake answer
from a further process. Measured: calls a second of all workers, and the workers' CPU time a call.
Floor: an empty handler in the same loop. Peer: the same function through boto3, in turn with it.
"""

import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import BinaryIO, Self, cast

from benchmarks import cloud
from benchmarks.cold_start import BY_BOTO3, HANDLERS, ours
from benchmarks.emulator import PATIENCE, PYTHON, RUNTIME, Function, base
from benchmarks.tables import Spread, Table, Target

CALLS = int(os.environ.get("CALLS", "200"))
"""Calls of each worker in a round; a quarter of them for misses, as moto is slow."""

ROUNDS = int(os.environ.get("ROUNDS", "5"))
COUNTS = (1, 2, 4)
WARM_UP = 10
MISS = "miss"
KINDS = {
    "hit in memory": ("300", "memory"),
    "hit in the table": ("0", "table"),
    MISS: ("0", "exchange"),
}
"""The measurements, each with its MEMORY_SECONDS and the source in its answers."""

NEW_USERS = itertools.count()
"""Users for misses: each is requested once in a run."""

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:token-broker-editor"


class Worker:
    """A process of AWS's runtime client, and its runtime API.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self, function: Function) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        path = os.pathsep.join(map(str, [*function.path, RUNTIME]))
        self._process = subprocess.Popen(
            [PYTHON, "-m", "awslambdaric", function.handler],
            cwd=function.path[0],
            env=base(function.path[0], path)
            | dict(function.environment)
            | {"AWS_LAMBDA_RUNTIME_API": address},
            stdout=subprocess.DEVNULL,
        )
        self._stream: BinaryIO | None = None
        self._count = 0
        self._is_waiting = False
        """Whether it has requested its next event."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._stream:
            self._stream.close()
        self._listener.close()

    def invoke(self, event: object) -> Mapping[str, object]:
        """Return the answer to *event*. Raises `RuntimeError` if there is a failure instead."""
        self.wait()
        self._count += 1
        self._send(
            "200 OK",
            json.dumps(event).encode(),
            "Content-Type: application/json",  # without it the client waits for ever
            f"Lambda-Runtime-Aws-Request-Id: r-{self._count}",
            f"Lambda-Runtime-Deadline-Ms: {int(time.time() * 1000) + 20_000}",
            f"Lambda-Runtime-Invoked-Function-Arn: {ARN}",
        )
        self._is_waiting = False
        path, answer = self._receive()
        self._send("202 Accepted", b"{}")
        if not path.endswith("/response"):
            raise RuntimeError(f"{path}: {answer[:1000]!r}")
        found: Mapping[str, object] = json.loads(answer)
        return found

    def wait(self) -> None:
        """Wait until the worker requests its next event, so all work on the last one is done."""
        if not self._is_waiting:
            path, answer = self._receive()
            if not path.endswith("/invocation/next"):
                raise RuntimeError(f"{path}: {answer[:1000]!r}")
            self._is_waiting = True

    def processor(self) -> float:
        """Return the CPU milliseconds of the process, in all its threads."""
        # https://man7.org/linux/man-pages/man3/clock_getcpuclockid.3.html, which Python lacks
        clock = (~self._process.pid << 3) | 2
        return time.clock_gettime_ns(clock) / 1e6

    def _receive(self) -> tuple[str, bytes]:
        """Return path and body of the next request; the client may come by a new connection."""
        while True:
            if self._stream is None:
                connection, _ = self._listener.accept()
                connection.settimeout(PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection:  # its stream keeps it open
                    self._stream = cast("BinaryIO", connection.makefile("rwb"))
            if first := self._stream.readline():
                break
            self._stream.close()
            self._stream = None
        length = 0
        while (line := self._stream.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return first.split()[1].decode(), self._stream.read(length)

    def _send(self, status: str, body: bytes, *headers: str) -> None:
        assert self._stream
        lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", "")
        self._stream.write("\r\n".join(lines).encode() + body)
        self._stream.flush()


class Fleet:
    """Workers of one function, each with a separate caller."""

    def __init__(self, workers: Sequence[Worker], kind: str, source: str | None) -> None:
        self.count = len(workers)
        self._workers = workers
        self._is_miss = kind == MISS
        self._calls = CALLS // 4 if self._is_miss else CALLS
        self._source = source
        self.rates: list[float] = []
        self.spent: list[float] = []
        """Calls a second of all, and CPU milliseconds a call, round by round."""

    def warm_up(self) -> None:
        """Make the calls that load modules and open connections."""
        for worker in self._workers:
            for _ in range(WARM_UP):
                worker.invoke(self._event())

    def measure(self) -> None:
        """Make one round of calls."""
        for worker in self._workers:
            worker.wait()
        with ThreadPoolExecutor(self.count) as callers:
            before, began = self._processor(), time.perf_counter()
            list(callers.map(self._call, self._workers))
            seconds = time.perf_counter() - began
        for worker in self._workers:
            worker.wait()
        calls = self._calls * self.count
        self.rates.append(calls / seconds)
        self.spent.append((self._processor() - before) / calls)

    def _processor(self) -> float:
        return sum(worker.processor() for worker in self._workers)

    def _call(self, worker: Worker) -> None:
        for _ in range(self._calls):
            answer = worker.invoke(self._event())
            if answer.get("source") != self._source:
                raise RuntimeError(f"{self._source} was expected: {answer.get('source')}")

    def _event(self) -> object:
        user = f"user-{next(NEW_USERS)}" if self._is_miss else "kept"
        return {"connection": "demo", "parameters": {"userId": user}}


def measured(environment: Mapping[str, str], kind: str, count: int) -> Sequence[Fleet]:
    """Return the measured fleets: the broker, the peer and the floor."""
    memory_seconds, source = KINDS[kind]
    settings = dict(environment) | {"MEMORY_SECONDS": memory_seconds}
    functions = {
        "ours": ours("editor", settings),
        "boto3": ours("editor", settings | BY_BOTO3),
        "floor": Function([HANDLERS / "empty"], settings),
    }
    with ExitStack() as stack:
        fleets = []
        for name, function in functions.items():
            workers = [stack.enter_context(Worker(function)) for _ in range(count)]
            fleets.append(Fleet(workers, kind, None if name == "floor" else source))
        for fleet in fleets:
            fleet.warm_up()
        for _ in range(ROUNDS):
            for fleet in fleets:
                fleet.measure()
    return fleets


def main() -> None:
    """Measure and publish."""
    shown = Table(
        "workers",
        f"Separate workers, {CALLS} calls each per round ({CALLS // 4} misses),"
        f" {ROUNDS} rounds, interleaved: median (middle half)",
        (
            "what",
            "workers",
            "calls/s",
            "calls/s by boto3",
            "calls/s, empty handler (floor)",
            "CPU per call, ms",
            "CPU by boto3",
            "CPU, empty handler (floor)",
            "CPU above the floor / boto3's",
        ),
        "The editor's built function under AWS's runtime client, one call at a time for each"
        " worker; a caller waits for each answer. A miss is a call for a new user: the editor's"
        " first exchange. AWS (moto, over TLS on loopback, with cached reads) and the vendor's"
        f" fake are one process, the callers another, on {os.cpu_count()} processors in all: moto"
        " limits the calls per second of misses. CPU time is of the workers only.",
    )
    with cloud.apart() as services:
        for kind in KINDS:
            for count in COUNTS:
                services.forget()
                add(shown, kind, measured(services.environment, kind, count))
    shown.publish()


def add(shown: Table, kind: str, fleets: Sequence[Fleet]) -> None:
    """Add a row, with the target of no more CPU time than the peer."""
    ours, peer, floor = fleets
    rows = list(zip(ours.spent, peer.spent, floor.spent, strict=True))
    share = Spread([(own - least) / (other - least) for own, other, least in rows])
    rates, spent = ([Spread(f.rates) for f in fleets], [Spread(f.spent) for f in fleets])
    shown.add(kind, ours.count, *rates, *spent, share)
    if kind != "hit in memory":  # where nothing is asked of AWS
        name = f"{kind}, {ours.count} workers: CPU above the floor / boto3's"
        shown.targets.append(Target(name, share.median, 1))
