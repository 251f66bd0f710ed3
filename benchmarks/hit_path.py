"""What a hit costs once a function runs: from event to answer, within the runtime.

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
from token_broker_local.places import TABLE

TIMES = int(os.environ.get("TIMES", "300"))


def measured(flow: str, services: cloud.Cloud) -> dict[str, Spread]:
    """Return the milliseconds of each thing that is measured."""
    function = ours(flow, services.environment)
    looping = Function(function.path, function.environment, "looping.handler")
    with Running(function) as running:
        running.invoke(request(flow))  # so that a token is kept
    with Running(looping) as running:
        event = {"event": request(flow), "times": TIMES, "table": TABLE, "boto3": True}
        return {name: Spread(values) for name, values in running.invoke(event).items()}


def apart(times: dict[str, Spread]) -> Spread:
    """Return how many bare reads a read from the table is, without the decryption."""
    triples = zip(
        times["table"].values, times["decrypt"].values, times["get_item"].values, strict=True
    )
    return Spread([(table - decrypt) / get_item for table, decrypt, get_item in triples])


def main() -> None:
    """Measure and publish."""
    shown = Table(
        "hit-path",
        f"A hit, milliseconds: median (middle half) of {TIMES} in turn",
        ("what", *FLOWS),
        "AWS is moto over TLS on loopback. The bare read is GetItem over the fast read's own"
        " connection; boto3's is there to compare. VNTANA's token is two reads on a cold process:"
        " where the name leads, and the token.",
    )
    with cloud.running() as services:
        by_flow = {flow: measured(flow, services) for flow in FLOWS}
    names = {
        "empty cpu": "empty handler, CPU",
        "memory cpu": "from memory, CPU",
        "memory": "from memory",
        "get_item": "bare GetItem (floor)",
        "boto3 get_item": "boto3's get_item",
        "decrypt": "bare Decrypt",
        "table": "from the table",
        "table cpu": "from the table, CPU",
    }
    for name, title in names.items():
        shown.add(title, *(times[name] for times in by_flow.values()))
    shown.add("(table - Decrypt) / GetItem", *(apart(times) for times in by_flow.values()))
    for flow, times in by_flow.items():
        above = times["memory cpu"].median - times["empty cpu"].median
        shown.targets.append(Target(f"{flow}: CPU of a hit in memory, ms", above, 0.3))
    for flow, times in by_flow.items():
        reads = 2 if flow == "vntana" else 1
        title = f"{flow}: (table - Decrypt) / {reads} GetItem"
        shown.targets.append(Target(title, apart(times).median / reads, 1.15))
    shown.publish()


if __name__ == "__main__":
    main()
