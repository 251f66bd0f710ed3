"""The cost of a hit in a warm function: from event to answer, within the runtime.

Measured: the handler, called in turn with an empty one and with a bare read of the same item over
the same client, inside one invocation under the emulator. Floor: that bare read.

Targets: from memory <= 0.3 ms of CPU time above an empty handler; from the table <= 1.15 of the
bare read, KMS's decryption counted apart.
"""

import os

from benchmarks import cloud
from benchmarks.cold_start import FLOWS, ours, request
from benchmarks.emulator import Function, Running
from benchmarks.tables import Spread, Table, Target
from token_broker_local.addresses import TABLE

READ = 0.004
"""Seconds of each answer of DynamoDB and KMS here: AWS says "single-digit milliseconds"."""

TIMES = int(os.environ.get("TIMES", "300"))


def measured(flow: str, services: cloud.Cloud) -> dict[str, Spread]:
    """Return the milliseconds of each measurement."""
    function = ours(flow, services.environment)
    looping = Function(function.path, function.environment, "looping.handler")
    with Running(function) as running:
        running.invoke(request(flow))  # so that a token is kept
    with Running(looping) as running:
        event = {"event": request(flow), "times": TIMES, "table": TABLE, "boto3": True}
        return {name: Spread(values) for name, values in running.invoke(event).items()}


def apart(times: dict[str, Spread], name: str = "table") -> float:
    """Return the ratio of a read from the table, without the decryption, to a bare read."""
    decrypt, get_item = times["decrypt"].median, times["get_item"].median
    return (times[name].median - decrypt) / get_item


def beyond(times: dict[str, Spread]) -> float:
    """Return the CPU time of a hit in the table above that of the two bare calls, in ms."""
    bare = times["get_item cpu"].median + times["decrypt cpu"].median
    return times["table cpu"].median - bare


def main() -> None:
    """Measure and publish."""
    shown = Table(
        "hit-path",
        f"A hit, milliseconds: median (middle half) of {TIMES}, interleaved",
        ("what", *FLOWS),
        "AWS answers after 4 ms, over TLS on loopback. GetItem alone uses the fast client; boto3's"
        " GetItem is shown for comparison. Where an alias leads to the token (vntana, editor), a"
        " process that knows the alias reads both items at once; otherwise it reads twice. CPU"
        " time above the two calls is the cost of the hit itself.",
    )
    with cloud.running() as services:
        services.aws.pause = READ
        by_flow = {flow: measured(flow, services) for flow in FLOWS}
    names = {
        "empty cpu": "empty handler, CPU",
        "memory cpu": "from memory, CPU",
        "memory": "from memory",
        "get_item": "GetItem alone (floor)",
        "boto3 get_item": "boto3's get_item",
        "decrypt": "Decrypt alone",
        "table": "from the table, alias known",
        "table, alias unknown": "from the table, alias unknown",
        "table cpu": "from the table, CPU",
    }
    for name, title in names.items():
        shown.add(title, *(times[name] for times in by_flow.values()))
    shown.add("from the table, CPU above both", *(beyond(times) for times in by_flow.values()))
    for name, title in (("table", "table"), ("table, alias unknown", "table, alias unknown")):
        shares = [apart(times, name) for times in by_flow.values()]
        shown.add(f"({title} - Decrypt) / GetItem", *shares)
    for flow, times in by_flow.items():
        above = times["memory cpu"].median - times["empty cpu"].median
        shown.targets.append(Target(f"{flow}: CPU of a hit in memory, ms", above, 0.3))
    for flow, times in by_flow.items():
        shown.targets.append(Target(f"{flow}: (table - Decrypt) / GetItem", apart(times), 1.15))
    shown.publish()


if __name__ == "__main__":
    main()
