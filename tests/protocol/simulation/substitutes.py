"""Planted bugs elsewhere: pieces of the shipped code, each without its guard."""

from dataclasses import replace
from typing import Any

from tests.protocol.simulation.clients import DynamoDB
from tests.protocol.simulation.rewrites import Substitutes
from token_broker import store
from token_broker.broker import Answer, Broker, Call
from token_broker.cache import Held
from token_broker.exchange import Request, Response
from token_broker.item import LATCHES, Item
from token_broker.refresh import refresher
from token_broker.refresh.attempt import Attempt
from token_broker.refresh.credential_gate import Gate
from token_broker.refresh.refresher import Errand, Wish

DAY = 86_400


def short_lease() -> Substitutes:
    def lease_end(now: int, remaining: float, skew: int) -> int:
        del remaining
        return now + 5 + skew

    return {(refresher, "lease_end"): lease_end}


def unbounded() -> Substitutes:
    def send(self: Attempt, request: Request) -> Response:
        if request.proves_credentials:
            self._is_proven = True
            self._errand.gate.admit(self._lease, self._errand.read_secret().version)
        self._has_sent = self._errand.has_talked = True
        return self._tools.send(request, 60.0)

    return {(Attempt, "_send"): send}


def resent() -> Substitutes:
    original = Attempt.__init__

    def init(self: Attempt, *arguments: Any) -> None:
        original(self, *arguments)
        self._may_renew = arguments[1].renewal in ("ready", "in_use")

    return {(Attempt, "__init__"): init}


def latch_for_ever() -> Substitutes:
    def is_latched(self: Item, secret_version: str | None) -> bool:
        del secret_version
        return bool(self.rejected_versions) or (
            self.failure is not None and self.failure.code == LATCHES
        )

    return {(Item, "is_latched"): is_latched}


def previous_again() -> Substitutes:
    original = Gate.admit

    def admit(self: Gate, lease: Item, version: str) -> None:
        if not self._rejected:
            original(self, lease, version)

    return {(Gate, "admit"): admit, (Gate, "knows_rejected"): lambda *_: False}


def last_rejection_only() -> Substitutes:
    def just(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
        del versions
        return (version,)

    return {(store, "_with"): just}


def proven_by_nothing() -> Substitutes:
    original = Attempt._run

    def run(self: Attempt, credentials: Any) -> Any:
        self._errand.gate.admit(self._lease, self._errand.read_secret().version)
        return original(self, credentials)

    return {(Attempt, "_run"): run}


def any_report() -> Substitutes:
    def report(self: Errand, key: str, fingerprint: str) -> None:
        del fingerprint
        _, item = self._look(key)
        if item.token and not item.is_rejected:
            self.tools.store.report(item, (self.tools.clock.now(),))

    return {(Errand, "_report"): report}


def unleased() -> Substitutes:
    def take(self: Errand, item: Item, *, forced: bool = False) -> Item:
        del forced
        now = self.tools.clock.now()
        return replace(item, lease_owner=self.tools.owner(), lease_until=now + 60)

    return {(Errand, "take"): take}


def always_live() -> Substitutes:
    def is_live(self: Item, now: int, min_ttl: int | None = 0) -> bool:
        del now, min_ttl
        return self.token is not None and self.target is None and not self.is_rejected

    return {(Item, "is_live"): is_live}


def memory_first() -> Substitutes:
    original = Broker.token

    def token(self: Broker, call: Call) -> Answer:
        now = self.tools.clock.now()
        held = self.tools.memory.get(self.partition(call.connection), call.asked.key, now)
        if held and held.item.is_live(now, call.min_ttl):
            return self._hand_out(call, held, "memory")
        return original(self, call)

    return {(Broker, "token"): token}


def renewed_inline() -> Substitutes:
    def nudge(self: Broker, call: Call, held: Held, now: int) -> None:
        del now
        wish = Wish(newer_than=held.item.generation)
        Errand(self.tools, call.connection, call.deadline).obtain(call.asked, wish)

    return {(Broker, "_nudge"): nudge}


def stale_reads() -> Substitutes:
    original = DynamoDB.get_item

    def get_item(self: DynamoDB, **request: Any) -> dict[str, Any]:
        return original(self, **request | {"ConsistentRead": False})

    return {(DynamoDB, "get_item"): get_item}


def version_ignored() -> Substitutes:
    original = Wish.is_met

    def is_met(self: Wish, item: Item, now: int) -> bool:
        return original(replace(self, version=None), item, now)

    return {(Wish, "is_met"): is_met}


def dropped_early() -> Substitutes:
    def ttl_of(item: Item) -> int:
        return item.expires_at + DAY

    return {(store, "ttl_of"): ttl_of}
