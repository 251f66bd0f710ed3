"""Planted bugs elsewhere: pieces of the shipped code, each without its guard."""

from typing import Any

from tests.protocol.simulation.clients import DynamoDB
from tests.protocol.simulation.rewrites import Substitutes
from token_broker import conditional_writes
from token_broker.aliases import Look
from token_broker.broker import Answer, Broker
from token_broker.cache import CachedToken
from token_broker.exchange import Request, Response
from token_broker.flows.editor import credentials as editor
from token_broker.flows.vntana import credentials as vntana
from token_broker.item import LATCHES, Item
from token_broker.records import replace
from token_broker.refresh import invocation
from token_broker.refresh.attempt import ExchangeAttempt
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.refresher import Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.tokens import TokenRequest

DAY = 86_400


def short_lease() -> Substitutes:
    def lease_end(now: int, remaining: float, skew: int) -> int:
        del remaining
        return now + 5 + skew

    return {(invocation, "lease_end"): lease_end}


def unbounded() -> Substitutes:
    def send(self: ExchangeAttempt, request: Request) -> Response:
        if request.proves_credentials:
            self._is_proven = True
            self._gate.admit(self._outcome.lease, self._invocation.secret().version)
        self._has_sent = True
        self._invocation.record_sent(request)
        return self._deps.send(request, 60.0)

    return {(ExchangeAttempt, "_send"): send}


def resent() -> Substitutes:
    original = ExchangeAttempt.__init__

    def init(self: ExchangeAttempt, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self._may_renew = named["found"].renewal in ("ready", "in_use")

    return {(ExchangeAttempt, "__init__"): init}


def latch_for_ever() -> Substitutes:
    def is_latched(self: Item, secret_version: str | None) -> bool:
        del secret_version
        return bool(self.rejected_versions) or (
            self.failure is not None and self.failure.code == LATCHES
        )

    return {(Item, "is_latched"): is_latched}


def previous_again() -> Substitutes:
    original = CredentialGate.admit

    def admit(self: CredentialGate, lease: Item, version: str) -> None:
        if not self._rejected:
            original(self, lease, version)

    return {(CredentialGate, "admit"): admit, (CredentialGate, "knows_rejected"): lambda *_: False}


def last_rejection_only() -> Substitutes:
    def just(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
        del versions
        return (version,)

    return {(conditional_writes, "add_version"): just}


def proven_by_nothing() -> Substitutes:
    original = ExchangeAttempt._run

    def run(self: ExchangeAttempt) -> Any:
        self._gate.admit(self._outcome.lease, self._invocation.secret().version)
        return original(self)

    return {(ExchangeAttempt, "_run"): run}


def any_report() -> Substitutes:
    def report(
        self: Refresher, seen: Look, requirement: Requirement
    ) -> tuple[Requirement, Look | None]:
        item = seen.target
        if item.token and not item.is_rejected:
            self._deps.store.report(item, (self._deps.clock.now(),))
        return requirement, None

    return {(Refresher, "_report"): report}


def unleased() -> Substitutes:
    def acquire(self: Invocation, item: Item, *, forced: bool = False) -> Item:
        del forced
        now = self.deps.clock.now()
        return replace(item, lease_owner=self.deps.owner(), lease_until=now + 60)

    return {(Invocation, "acquire"): acquire}


def always_live() -> Substitutes:
    def is_live(self: Item, now: int, min_ttl: int | None = 0) -> bool:
        del now, min_ttl
        return self.token is not None and self.target is None and not self.is_rejected

    return {(Item, "is_live"): is_live}


def memory_first() -> Substitutes:
    original = Broker.token

    def token(self: Broker, connection: str, request: TokenRequest, deadline: float) -> Answer:
        now = self.deps.clock.now()
        held = self.deps.cache.get(self.deps.partition(connection), request.variant.key, now)
        if held and held.item.is_live(now, request.min_ttl):
            return self._hand_out(request, held, "memory")
        return original(self, connection, request, deadline)

    return {(Broker, "token"): token}


def renewed_inline() -> Substitutes:
    def start_refresh(self: Broker, request: TokenRequest, held: CachedToken, now: int) -> None:
        del now
        connection = held.item.connection.partition("#")[2]
        work = Invocation(self.deps, connection, self.deps.clock.monotonic() + 20)
        requirement = Requirement(newer_than=held.item.generation)
        Refresher(work).obtain(request.variant, requirement)

    return {(Broker, "_start_refresh"): start_refresh}


def stale_reads() -> Substitutes:
    original = DynamoDB.get_item

    def get_item(self: DynamoDB, **request: Any) -> dict[str, Any]:
        return original(self, **request | {"ConsistentRead": False})

    return {(DynamoDB, "get_item"): get_item}


def version_ignored() -> Substitutes:
    original = Requirement.is_met

    def is_met(self: Requirement, item: Item, now: int) -> bool:
        return original(replace(self, version=None), item, now)

    return {(Requirement, "is_met"): is_met}


def hold_outlived() -> Substitutes:
    def gate_read_at(self: Invocation) -> int:
        return self.deps.clock.now()

    return {(Invocation, "gate_read_at"): property(gate_read_at, lambda *_: None)}


def dropped_early() -> Substitutes:
    def ttl_of(item: Item) -> int:
        return item.expires_at + DAY

    return {(conditional_writes, "ttl_of"): ttl_of}


def pin_unasked() -> Substitutes:
    nothing = property(lambda _: {})
    return {(editor.Credentials, "pins"): nothing, (vntana.Credentials, "pins"): nothing}
