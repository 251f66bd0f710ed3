"""The cost of a cold start of the deployed code, under AWS's runtime interface emulator.

Measured: the start of a function (init) and its first invocation, by the emulator's log, in turn
for every row. Floor: a handler that makes one boto3 client and reads one item.
Peer: a handler in common style. AWS answers at its own names over TLS, from loopback (moto).

Targets: a start <= 0.27 of the floor's; start and first hit <= 0.45 of the same through boto3;
start and first miss <= 0.6 of the same with boto3 loaded from the start, by CPU time.
"""

import json
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import cloud
from benchmarks.emulator import BENCH, Function, Running
from benchmarks.tables import Spread, Table, Target, ratio
from token_broker_descriptors import every

ROUNDS = int(os.environ.get("ROUNDS", "15"))
SETTLE = 0.2
"""Seconds between one start and the next."""

HANDLERS = Path(__file__).parent / "handlers"
BUILD = BENCH / "build"
LAYER = BUILD / "TokenBrokerLayer" / "python"
FLOWS = tuple(every())
FLOOR = "boto3 client, get_item (floor)"
BY_BOTO3 = {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"}
"""A setting without effect that only boto3 supports, so the fast client falls back to boto3."""


@dataclass
class Row:
    """A function to start repeatedly, with its measurements."""

    function: Function
    event: object
    is_miss: bool = False
    floor: str = FLOOR
    """The row whose CPU time this one's is compared with."""
    starts: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @property
    def both(self) -> Spread:
        """Start and first invocation together, in milliseconds."""
        return Spread([sum(pair) for pair in zip(self.starts, self.calls, strict=True)])

    def measure(self) -> None:
        """Measure one start."""
        with Running(self.function) as running:
            running.invoke(self.event)
            self.processor.append(running.processor())
            started, called = running.durations()
        self.starts.append(started)
        self.calls.append(called)


def rows(environment: dict[str, str]) -> dict[str, Row]:
    """Return all measured functions by their name in the table."""
    kept = {"connection": "vendorlink#demo", "variant": "-"}
    found = {
        "empty handler": Row(Function([HANDLERS / "empty"], environment), {}),
        FLOOR: Row(handler("floor", environment), kept),
        "typical handler": Row(handler("people", environment), request("vendorlink")),
    }
    for flow in FLOWS:
        found[flow] = Row(ours(flow, environment), request(flow))
        found[f"{flow}, only boto3"] = Row(ours(flow, environment | BY_BOTO3), request(flow))
    from_the_start = environment | BY_BOTO3 | {"BOTO3_FROM_THE_START": "1"}
    for flow in FLOWS:
        floor = miss_by_boto3(flow)
        found[miss(flow)] = Row(ours(flow, environment), request(flow), True, floor)
        found[floor] = Row(ours(flow, from_the_start), request(flow), True, floor)
    return found


def miss(flow: str) -> str:
    """Return the name of a miss's row."""
    return f"{flow}, a miss"


def miss_by_boto3(flow: str) -> str:
    """Return the name of the row that is a miss's floor."""
    return f"{flow}, a miss, boto3 from the start"


def handler(name: str, environment: Mapping[str, str]) -> Function:
    """Return a function of `handlers`."""
    path = [HANDLERS / name, HANDLERS, BENCH / "people"]
    return Function(path, environment, "redirected.handler")


def ours(flow: str, environment: Mapping[str, str]) -> Function:
    """Return a built function of the broker."""
    path = [BUILD / f"{flow.capitalize()}Function", HANDLERS, LAYER]
    return Function(path, environment, "redirected.handler")


def request(flow: str) -> dict[str, object]:
    """Return API Gateway's event of a request for the demo's token."""
    return {
        "resource": f"/v1/{flow}/{{connection}}/token",
        "path": f"/v1/{flow}/demo/token",
        "httpMethod": "POST",
        "headers": {"content-type": "application/json"},
        "pathParameters": {"connection": "demo"},
        "requestContext": {"identity": {"userArn": "arn:aws:sts::123456789012:assumed-role/a/b"}},
        "body": json.dumps(cloud.BODIES[flow]),
        "isBase64Encoded": False,
    }


def measured(rounds: int = ROUNDS) -> dict[str, Row]:
    """Measure each row *rounds* times, in turn, after one warm-up."""
    dice = random.Random(7)
    with cloud.running() as services:
        all_rows = rows(services.environment)
        for number in range(rounds + 1):
            for flow in FLOWS:
                with Running(ours(flow, services.environment)) as running:
                    running.invoke(request(flow))  # so that a token is stored
            # Misses come last, for they empty the table; the others in another order each round,
            # since a process that was just ended still takes a while of the one after it.
            order = dice.sample(list(all_rows.values()), len(all_rows))
            for row in sorted(order, key=lambda row: row.is_miss):
                if row.is_miss:
                    services.forget()
                time.sleep(SETTLE)
                row.measure()
                if number == 0:
                    row.starts.clear()
                    row.calls.clear()
                    row.processor.clear()
    return all_rows


def table(found: Mapping[str, Row]) -> Table:
    """Return the results with their targets."""
    shown = Table(
        "cold-start",
        f"Cold start, milliseconds: median (middle half) of {ROUNDS}, interleaved",
        (
            "function",
            "init",
            "first call",
            "both",
            "init / floor's",
            "both, CPU time",
            "CPU time / floor's",
        ),
        "Runtime 3.13 under AWS's runtime interface emulator, bytecode as deployed; AWS over TLS"
        " on loopback. The first call is a hit in the table, except in the rows of a miss. CPU"
        " time is of the function's process, and other processes hardly change it. Wall-clock"
        " milliseconds are unreliable on a busy machine, as in November 2026. The floor of a miss"
        " in CPU time is the same miss with boto3 from the start.",
    )
    floor = Spread(found[FLOOR].starts)
    for name, row in found.items():
        starts = Spread(row.starts)
        share = ratio(starts, floor).median
        cpu = Spread(row.processor)
        of_cpu = ratio(cpu, Spread(found[row.floor].processor)).median
        shown.add(name, starts, Spread(row.calls), row.both, f"{share:.2f}", cpu, f"{of_cpu:.2f}")
    for flow in FLOWS:
        start = ratio(Spread(found[flow].starts), floor).median
        shown.targets.append(Target(f"{flow}: init / floor's init", start, 0.27))
    for flow in FLOWS:
        hit = ratio(found[flow].both, found[f"{flow}, only boto3"].both).median
        shown.targets.append(Target(f"{flow}: first hit, init included / by boto3", hit, 0.45))
    for flow in FLOWS:
        by_boto3 = Spread(found[miss_by_boto3(flow)].processor)
        share = ratio(Spread(found[miss(flow)].processor), by_boto3).median
        name = f"{flow}: a miss, init included / boto3 from the start, CPU time"
        shown.targets.append(Target(name, share, 0.6))
    return shown


def main() -> None:
    """Measure and publish."""
    table(measured()).publish()
