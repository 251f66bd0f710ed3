"""A wrong clock, exhausted memory, a full disk."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests import subjects
from tests.functions.test_tokens import assert_problem
from tests.functions.world import World
from tests.subjects import FLOWS
from tests.waiting import PATIENCE_SECONDS
from token_broker.records import replace

WRITER = Path(__file__).with_name("diskless.py")


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if not subjects.tells_time(flow)])
@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_minutes_off_causes_no_failure_and_no_extra_exchange(
    world: World, flow: str, minutes: int
) -> None:
    """One exchange, whose token is handed out from the table."""
    connection = world.connect(flow)
    world.ahead = minutes * 60
    assert world.call(flow, connection)["source"] == "exchange"
    steps = len(world.steps(flow))
    world.service(flow).deps.cache.clear()
    assert world.call(flow, connection)["source"] == "table"
    assert len(world.steps(flow)) == steps


def exhausted(*_: object, **__: object) -> NoReturn:
    """Find no memory."""
    raise MemoryError


AFTER = "after the answer"
SHORTAGES: dict[str, Callable[[Any], Any]] = {
    "before the answer": lambda tools: replace(tools, send=exhausted),
    AFTER: lambda tools: replace(tools, random=exhausted),
    "at the secret": lambda tools: replace(tools, secrets=Short()),
    "at the seal": lambda tools: replace(tools, sealer=Short()),
}


class Short:
    """A tool whose every use takes more memory than there is."""

    def __getattr__(self, name: str) -> Any:
        return exhausted


@pytest.mark.parametrize(
    ("flow", "moment"),
    [
        *(("vntana", moment) for moment in SHORTAGES if moment != AFTER),
        *((f, AFTER) for f in FLOWS),
    ],
)
def test_exhausted_memory_releases_the_lease_and_stores_no_partial_token(
    world: World, flow: str, moment: str
) -> None:
    """The caller gets `internal`, and the next one a token; after a login it waits two seconds."""
    connection = world.connect(flow)
    service = world.service(flow)
    tools = service.deps
    service.use(SHORTAGES[moment](tools))
    assert_problem(world.http(flow, connection), "internal", 500)
    item = world.item(flow, connection)
    assert not {"token", "fingerprint", "lease_owner"} & item.keys()
    service.use(tools)
    if moment in ("before the answer", AFTER):
        assert_problem(world.http(flow, connection), "internal", 500)
        world.ahead = 3
    assert world.call(flow, connection)["source"] == "exchange"


def test_the_functions_work_on_a_full_disk(world: World) -> None:
    """The functions write no file.

    Tested in a separate process with a file size limit of zero, which records each try.
    """
    connections = {flow: world.connect(flow) for flow in FLOWS}
    nowhere = {"TMPDIR": "/proc/nowhere", "HOME": "/proc/nowhere", "MEMORY_SECONDS": "0"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-B", str(WRITER), str(root), json.dumps(connections)],
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result == {"sources": ["exchange", "table"] * len(FLOWS), "written": []}
