"""Modules, calls to AWS and Python calls of a hit. Counts, as durations differ among machines."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.counting import calls_within
from tests.functions.world import World
from tests.subjects import FLOWS, body
from token_broker_local.functions import LambdaContext

ROOT = Path(__file__).parents[2]
BODIES: dict[str, dict[str, Any]] = {flow: body(flow) for flow in FLOWS} | {
    "editor": {"parameters": {"userId": "42", "file": "plan.dwg"}}
}
"""VNTANA's names no organization, so its name leads to the token; the editor's is the token's."""

OURS = {
    "app", "aws", "aws.clients", "aws.endpoints", "aws.fast_client", "aws.http1",
    "aws.operations", "broker", "cache", "decisions", "dependencies", "document", "errors",
    "events", "flows", "handler", "item", "item_codec", "look", "records", "sealing",
    "secrets_manager", "store", "telemetry", "tokens",
}  # fmt: skip
"""Every module of ours that is loaded to hand out a kept token, besides the flow's own package.

Make this longer with a reason."""

BY_A_NAMED_ENDPOINT = {"transport", "transport.urls"}
"""What is loaded besides, because a test's AWS has a URL of its own."""

HEAVY = {
    "asyncio", "concurrent", "dataclasses", "email", "http", "inspect", "multiprocessing",
    "unittest", "xml",
}  # fmt: skip
"""Of the standard library, what a hit does without."""

ALONE = ("-S", "-W", "error")
"""Python's options with which nothing can be loaded but our package and Python's library."""

MOST_CALLS = {"vendorlink": 260, "editor": 450, "vntana": 470}
"""Calls of functions, C's included, that a hit in memory may make. Counted here: 193, 328, 349."""


def cold(world: World, flow: str, connection: str, *options: str) -> dict[str, Any]:
    """Call *flow* in a process of its own that Python starts with *options*."""
    world.aws.calls.clear()
    script, app = ROOT / "tests/benchmarks/a_hit.py", ROOT / "functions" / flow / "app.py"
    event = json.dumps({"connection": connection} | BODIES[flow])
    done = subprocess.run(
        [sys.executable, *options, script, app, event],
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT / "layers/token_broker/python")},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stderr)
    return found


@pytest.fixture(params=FLOWS)
def flow(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def connection(world: World, flow: str) -> str:
    """Return a connection whose token is kept."""
    name = world.connect(flow)
    world.call(flow, name, **BODIES[flow])
    return name


def test_a_hit_loads_exactly_the_listed_modules(world: World, flow: str, connection: str) -> None:
    found = cold(world, flow, connection, *ALONE)
    assert found["answer"]["source"] == "table"
    assert own(found["answered"]) == OURS | {f"flows.{flow}"} | BY_A_NAMED_ENDPOINT


def test_a_hit_loads_no_third_party_module(world: World, flow: str, connection: str) -> None:
    """Nor slow modules of the standard library."""
    found = cold(world, flow, connection, *ALONE)
    top = {name.partition(".")[0] for name in found["answered"]} - {"app", "token_broker"}
    assert top <= sys.stdlib_module_names
    assert not top & HEAVY


def test_all_modules_of_a_hit_are_loaded_at_start(world: World, flow: str, connection: str) -> None:
    """Lambda's init phase has a full CPU."""
    found = cold(world, flow, connection, *ALONE)
    assert own(found["started"]) == own(found["answered"])


def test_a_cold_hit_reads_the_table_once(world: World, flow: str, connection: str) -> None:
    """Once more for an alias. Neither secret nor vendor is called.

    Where the variant is not the gate itself, both are asked for at once.
    """
    before = world.steps(flow)
    reads = Counter({world.read_of(flow, connection, BODIES[flow]): 1})
    if world.is_alias(flow, connection, BODIES[flow]):
        reads["GetItem"] += 1
    cold(world, flow, connection, *ALONE)
    assert world.aws.calls == reads + Counter({"Decrypt": 1})
    assert world.steps(flow) == before


def test_a_cold_miss_loads_no_boto3(world: World, flow: str) -> None:
    """Its import takes longer than the rest of a miss without the vendor."""
    found = cold(world, flow, world.connect(flow))
    assert found["answer"]["source"] == "exchange"
    assert {"requests"} == {"boto3", "botocore", "requests"} & set(found["answered"])


def test_a_warm_table_hit_reads_the_table_once(world: World, flow: str, connection: str) -> None:
    """The target of an alias is known by then, so alias, target and gate are read at once."""
    world.advance(61)
    operation = world.read_of(flow, connection, BODIES[flow])
    world.aws.calls.clear()
    assert world.call(flow, connection, **BODIES[flow])["source"] == "table"
    assert world.aws.calls == Counter({operation: 1, "Decrypt": 1})


def test_a_memory_hit_calls_neither_aws_nor_vendor(
    world: World, flow: str, connection: str
) -> None:
    before = world.steps(flow)
    world.aws.calls.clear()
    assert world.call(flow, connection, **BODIES[flow])["source"] == "memory"
    assert not world.aws.calls
    assert world.steps(flow) == before


def test_a_memory_hit_makes_a_bounded_number_of_python_calls(
    world: World, flow: str, connection: str
) -> None:
    """Additional work on the hit path fails this test."""
    event = {"connection": connection} | BODIES[flow]
    service, context = world.service(flow), LambdaContext("function")
    assert service(event, context)["source"] == "memory"
    most = MOST_CALLS.get(flow, MOST_CALLS["vntana"])
    assert calls_within(lambda: service(event, context)) <= most


def own(modules: list[str]) -> set[str]:
    """Return the names of our own modules among *modules*."""
    return {name.partition(".")[2] for name in modules if name.startswith("token_broker.")}
