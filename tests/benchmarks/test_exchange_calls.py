"""Calls to AWS of an exchange, and of all callers in a token's lifetime."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pytest

from tests.functions.world import World
from tests.unit.memory_broker import Context, MemoryBroker
from token_broker.handler import Service

ORGANIZATION = {"organization": "ac3e0000-0000-4000-8000-00000000000a"}
DRAWING = {"parameters": {"userId": "7", "file": "a.dwg"}}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "vendorlink": {},
    "vntana": ORGANIZATION,
    "editor": DRAWING,
}


class Calls(NamedTuple):
    """The calls to AWS of an exchange."""

    reads: int
    writes: int
    key: int
    secret: int


FIRST = {
    "vendorlink": Calls(1, 2, 1, 1),
    "vntana": Calls(4, 8, 3, 1),
    "editor": Calls(2, 4, 1, 1),
}
RENEWAL = {
    "vendorlink": Calls(1, 2, 2, 1),
    "vntana": Calls(2, 2, 2, 1),
    "editor": Calls(2, 2, 1, 1),
}
BACKGROUND = {
    "vendorlink": Calls(1, 2, 2, 1),
    "vntana": Calls(5, 5, 4, 1),
    "editor": Calls(2, 2, 2, 1),
}
"""A day after the token was made, so VNTANA's organizations are listed anew."""


@pytest.mark.parametrize("flow", BODIES)
def test_an_exchange_makes_the_documented_calls_to_aws(world: World, flow: str) -> None:
    """docs/decisions/0043 explains them.

    A call's first read serves the exchange; a login reads the gate anew. A token that a call
    replaces is opened only where its vendor renews it; in the background it is opened once.
    """
    connection = world.connect(flow)
    assert calls(world, lambda: source(world, flow, connection) == "exchange") == FIRST[flow]
    forced = calls(world, lambda: source(world, flow, connection, force=True) == "exchange")
    assert forced == RENEWAL[flow]
    kept = world.call(flow, connection, **BODIES[flow])
    world.advance(seconds_to(kept["refresh_after"], world.now) + 1)
    assert source(world, flow, connection) == "table"
    assert calls(world, lambda: world.carry_out(flow) == [{"renewed": 1}]) == BACKGROUND[flow]


def source(world: World, flow: str, connection: str, **more: Any) -> object:
    """Call for the flow's token, and return where it came from."""
    return world.call(flow, connection, **BODIES[flow], **more)["source"]


def seconds_to(moment: str, now: int) -> int:
    """Return the seconds from *now* to an RFC 3339 *moment*."""
    return int(datetime.fromisoformat(moment).timestamp()) - now


def calls(world: World, act: Callable[[], bool]) -> Calls:
    """Return how often AWS is asked as *act* succeeds."""
    counts = world.aws.calls
    counts.clear()
    assert act()
    return Calls(
        counts["GetItem"] + counts["BatchGetItem"],
        counts["UpdateItem"],
        counts["Encrypt"] + counts["Decrypt"],
        counts["GetSecretValue"],
    )


PROCESSES = 20
RENEWAL_SECONDS = 3
"""How long the elected caller's invocation takes here: each process asks twice meanwhile."""

WINDOW = 120
"""Seconds that are looked at: a lifetime's last, which are a smaller share of more calls."""

TOO_MANY = 1.25
"""How many times a call's trips to AWS near a renewal may be what they are else, for all but one
call in a thousand."""


class Trips(NamedTuple):
    """The calls to AWS of one call."""

    reads: int
    decryptions: int
    writes: int
    invocations: int


@pytest.mark.parametrize("flow", BODIES)
def test_one_caller_per_lifetime_makes_one_write_and_one_invocation(flow: str) -> None:
    """All processes remember the token as it becomes due, and ask every second.

    The others read and open it at most, as they do whenever their memory is too old. So all but one
    call in a thousand take as many trips as without a renewal, even in the last two minutes.
    """
    broker = MemoryBroker(flow)
    broker.call(**BODIES[flow])
    services = [process(broker) for _ in range(PROCESSES)]
    for _ in range(2):
        kept = services[0]({"connection": "acme", **BODIES[flow]}, Context())
        due_at = broker.now + seconds_to(kept["refresh_after"], broker.now)
        broker.now = due_at - 2 * WINDOW
        quiet = trips(broker, services, kept["generation"])
        broker.now = due_at - WINDOW // 2
        renewed = trips(broker, services, kept["generation"] + 1)
        assert not any(each.writes or each.invocations for each in quiet)
        assert [each for each in renewed if each.writes or each.invocations] == [(1, 1, 1, 1)]
        assert sorted(map(sum, renewed))[-2:] == [2, 4]
        assert permille(renewed) <= TOO_MANY * permille(quiet)


def permille(these: Sequence[Trips]) -> int:
    """Return the trips that all but one call in a thousand do not exceed."""
    ordered = sorted(map(sum, these))
    return ordered[int(0.999 * len(ordered))]


def trips(broker: MemoryBroker, services: Sequence[Service], generation: int) -> list[Trips]:
    """Let each process ask once a second, until all have a token of *generation*."""
    found, renewed_at, generations = list[Trips](), 0, set[int]()
    for _ in range(WINDOW):
        broker.now += 1
        if broker.invoked and broker.now >= renewed_at:
            process(broker)(broker.invoked.pop(), Context())
        generations = set()
        for service in services:
            before = counted(broker)
            answer = service({"connection": "acme", **BODIES[broker.flow]}, Context())
            generations.add(answer["generation"])
            pairs = zip(counted(broker), before, strict=True)
            found.append(Trips(*(now - then for now, then in pairs)))
            if found[-1].invocations:
                renewed_at = broker.now + RENEWAL_SECONDS
    assert generations == {generation}
    return found


def counted(broker: MemoryBroker) -> Trips:
    """Return what AWS was asked until now; invocations that are carried out are not counted."""
    aws = broker.aws
    return Trips(aws.dynamodb.reads, aws.kms.opened, aws.dynamodb.writes, len(broker.invoked))


def process(broker: MemoryBroker) -> Service:
    """Return a process of its own, over the same table, vendor and clock."""
    broker.restart()
    return broker.service
