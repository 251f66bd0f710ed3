"""What a hit loads, asks for and does: counts, for clocks differ from machine to machine."""

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
    "aliases", "app", "aws", "aws.clients", "aws.endpoints", "aws.fast_client", "aws.http1",
    "aws.operations", "broker", "cache", "decisions", "dependencies",
    "document", "errors", "events", "flows", "handler", "item", "item_codec", "records", "sealing",
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
    world.aws.asked.clear()
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


def test_a_hit_loads_these_modules_and_no_other(world: World, flow: str, connection: str) -> None:
    found = cold(world, flow, connection, *ALONE)
    assert found["answer"]["source"] == "table"
    assert own(found["answered"]) == OURS | {f"flows.{flow}"} | BY_A_NAMED_ENDPOINT


def test_a_hit_loads_nothing_of_others(world: World, flow: str, connection: str) -> None:
    """No boto3, requests or Powertools, nor what is heavy in Python's library."""
    found = cold(world, flow, connection, *ALONE)
    top = {name.partition(".")[0] for name in found["answered"]} - {"app", "token_broker"}
    assert top <= sys.stdlib_module_names
    assert not top & HEAVY


def test_all_is_loaded_when_a_function_starts(world: World, flow: str, connection: str) -> None:
    """A start has a whole processor for itself, and a caller does not wait for it."""
    found = cold(world, flow, connection, *ALONE)
    assert own(found["started"]) == own(found["answered"])


def test_a_cold_hit_reads_once(world: World, flow: str, connection: str) -> None:
    """Once more where a name leads to the token; no secret is read, and no vendor is asked.

    Where the variant is not the gate itself, both are asked for at once.
    """
    before = world.steps(flow)
    reads = Counter({world.read_of(flow, connection, BODIES[flow]): 1})
    if world.is_alias(flow, connection, BODIES[flow]):
        reads["GetItem"] += 1
    cold(world, flow, connection, *ALONE)
    assert world.aws.asked == reads + Counter({"Decrypt": 1})
    assert world.steps(flow) == before


def test_a_cold_miss_loads_no_boto3(world: World, flow: str) -> None:
    """To load it takes longer than the rest of a miss, but for the vendor's time."""
    found = cold(world, flow, world.connect(flow))
    assert found["answer"]["source"] == "exchange"
    assert {"requests"} == {"boto3", "botocore", "requests"} & set(found["answered"])


def test_a_warm_hit_in_the_table_reads_once(world: World, flow: str, connection: str) -> None:
    """It is known by then where a name leads, so all is asked for at once, the gate too."""
    world.advance(61)
    operation = world.read_of(flow, connection, BODIES[flow])
    world.aws.asked.clear()
    assert world.call(flow, connection, **BODIES[flow])["source"] == "table"
    assert world.aws.asked == Counter({operation: 1, "Decrypt": 1})


def test_a_hit_in_memory_asks_nobody(world: World, flow: str, connection: str) -> None:
    before = world.steps(flow)
    world.aws.asked.clear()
    assert world.call(flow, connection, **BODIES[flow])["source"] == "memory"
    assert not world.aws.asked
    assert world.steps(flow) == before


def test_a_hit_in_memory_makes_few_calls(world: World, flow: str, connection: str) -> None:
    """Unnecessary work on the hit path shows here first."""
    event = {"connection": connection} | BODIES[flow]
    service, context = world.service(flow), LambdaContext("function")
    assert service(event, context)["source"] == "memory"
    most = MOST_CALLS.get(flow, MOST_CALLS["vntana"])
    assert calls_within(lambda: service(event, context)) <= most


def own(modules: list[str]) -> set[str]:
    """Return the names of our own modules among *modules*."""
    return {name.partition(".")[2] for name in modules if name.startswith("token_broker.")}
