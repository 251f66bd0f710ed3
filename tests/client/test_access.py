"""Access to a token: what asks the broker, and what it asks."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.client.desks import NOW, Desk, answer, document
from token_broker_client import Broker
from token_broker_client.cache import Cache
from token_broker_client.entrances import Order
from token_broker_client.httpx_auth import HttpxBrokerAuth
from token_broker_client.patience import Patience
from token_broker_client.requests_auth import BrokerAuth


class Once:
    """An entrance that keeps what it was asked."""

    def __init__(self, **members: Any) -> None:
        self.members = members
        self.asked: list[tuple[Order, float]] = []

    def call(self, order: Order, seconds: float) -> dict[str, Any]:
        """Answer."""
        self.asked.append((order, seconds))
        return document(len(self.asked), flow=order.flow, **self.members)


def broker(entrance: Any, clock: Callable[[], float] = NOW.timestamp) -> Broker:
    return Broker(entrance, Patience(20), Cache(clock=clock))


def test_only_what_is_named_is_asked() -> None:
    """With JSON's types as they are."""
    once = Once()
    asks = broker(once)
    asks.vntana("acme")
    asks.vntana("acme", workspace="chairs", min_ttl=60)
    asks.vntana("acme", force=True)
    asks.vendorlink("acme", rejected="0" * 16)
    asks.editor("acme", parameters={"n": 1, "x": 1.5, "yes": True, "none": None, "deep": [{}]})
    assert [order.body for order, _ in once.asked] == [
        {},
        {"workspace": "chairs", "min_ttl": 60},
        {"force": True},
        {"rejected": "0" * 16},
        {"parameters": {"n": 1, "x": 1.5, "yes": True, "none": None, "deep": [{}]}},
    ]
    assert {(order.action, order.connection) for order, _ in once.asked} == {("token", "acme")}
    assert json.dumps(once.asked[-1][0].body)


def test_an_order_shows_nothing_private() -> None:
    """A token to verify, or an editor's parameters."""
    order = Order("editor", "acme", "verify", {"token": "s3cret"})
    assert repr(order) == "Order(editor, acme, verify)"


def test_a_look_for_the_next_token_is_short() -> None:
    """Nobody waits long for the renewal of a token that still works."""
    once = Once(refresh_after="2026-11-22T10:00:05Z")
    now = [NOW.timestamp()]
    access = broker(once, lambda: now[0]).access("vntana", "acme")
    assert access.answer().generation == 1
    now[0] += 11
    assert access.kept() is None
    assert access.answer().generation == 2
    assert [round(seconds) for _, seconds in once.asked] == [20, 5]


def test_an_answer_signs_by_what_it_came_from() -> None:
    """So that what it hands out lives on."""
    found = answer()
    assert isinstance(found.auth(), BrokerAuth)
    assert isinstance(found.httpx_auth(), HttpxBrokerAuth)
    assert found.access.auth() is not found.auth()


def test_an_address_at_the_vendor() -> None:
    """With one slash, whoever brings it."""
    access = broker(Once(base_url="https://app.vendorlink.nl/API/")).access("vntana", "acme")
    assert (
        access.url("/Queries") == access.url("Queries") == "https://app.vendorlink.nl/API/Queries"
    )


def test_the_process_keeps_tokens_for_all_its_brokers() -> None:
    """Two that are made alike are one."""
    desk = Desk(lambda: {"headers": {"X": "1"}, "base_url": f"https://{datetime.now(UTC)}"})
    kept = Cache()
    for _ in range(2):
        Broker(desk, cache=kept).vntana("acme")
    assert len(desk.orders) == 1
    assert Broker(desk)._cache is Broker(desk)._cache
