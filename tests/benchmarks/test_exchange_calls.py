"""What an exchange asks of AWS, and what a lifetime costs its callers: counted, by no clock."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

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


@pytest.mark.parametrize(
    ("flow", "first", "renewal"),
    [
        ("vendorlink", (1, 2, 1, 1), (1, 2, 2, 1)),
        ("vntana", (4, 8, 3, 1), (2, 2, 2, 1)),
        ("editor", (2, 4, 1, 1), (2, 2, 1, 1)),
    ],
)
def test_an_exchange_makes_no_more_calls_than_it_needs(
    world: World, flow: str, first: tuple[int, ...], renewal: tuple[int, ...]
) -> None:
    """Reads, writes, KMS, secret; docs/decisions/0043 says why no fewer.

    A call's first read serves the exchange; a login reads the gate anew. A token that is replaced
    is opened only where its vendor renews it.
    """
    connection = world.connect(flow)
    assert calls(world, flow, connection) == first
    assert calls(world, flow, connection, force=True) == renewal


def calls(world: World, flow: str, connection: str, **more: Any) -> tuple[int, ...]:
    """Return how often AWS is asked for a token that is made: reads, writes, KMS, secret."""
    asked = world.aws.asked
    asked.clear()
    assert world.call(flow, connection, **BODIES[flow], **more)["source"] == "exchange"
    return (
        asked["GetItem"] + asked["BatchGetItem"],
        asked["UpdateItem"],
        asked["Encrypt"] + asked["Decrypt"],
        asked["GetSecretValue"],
    )


PROCESSES = 20
RENEWAL_SECONDS = 3
"""How long the elected caller's invocation takes here: each process asks twice meanwhile."""


@pytest.mark.parametrize("flow", BODIES)
def test_one_caller_a_lifetime_pays_one_write_and_one_invocation(flow: str) -> None:
    """All processes remember the token as it becomes due, and ask every second from then on."""
    broker = MemoryBroker(flow)
    broker.call(**BODIES[flow])
    services = [process(broker) for _ in range(PROCESSES)]
    assert [payments(broker, services) for _ in range(2)] == [[(1, 1)], [(1, 1)]]


def payments(broker: MemoryBroker, services: Sequence[Service]) -> list[tuple[int, int]]:
    """Let a token be renewed; return writes and invocations of each call that made any."""
    event = {"connection": "acme", **BODIES[broker.flow]}
    kept = services[0](event, Context())
    broker.now = int(datetime.fromisoformat(kept["refresh_after"]).timestamp()) - 5
    paid, renewed_at, generations = [], 0, set[int]()
    while generations != {kept["generation"] + 1}:
        broker.now += 1
        generations = set()
        if broker.invoked and broker.now >= renewed_at:
            process(broker)(broker.invoked.pop(), Context())
        for service in services:
            writes, invoked = broker.aws.dynamodb.writes, len(broker.invoked)
            generations.add(service(event, Context())["generation"])
            cost = broker.aws.dynamodb.writes - writes, len(broker.invoked) - invoked
            if any(cost):
                paid.append(cost)
                renewed_at = broker.now + RENEWAL_SECONDS
    return paid


def process(broker: MemoryBroker) -> Service:
    """Return a process of its own, over the same table, vendor and clock."""
    broker.restart()
    return broker.service
