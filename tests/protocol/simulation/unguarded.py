"""Planted bugs for guards that the model has a mutant of: the shipped code without each of them."""

from typing import Any

from tests.protocol.simulation.rewrites import Substitutes, Write
from token_broker.aliases import Look
from token_broker.broker import Answer, Broker
from token_broker.conditional_writes import Rejection
from token_broker.decisions import Verdict, verdict
from token_broker.item import Failure, Item
from token_broker.records import replace
from token_broker.refresh import credential_gate
from token_broker.refresh.attempt import ExchangeAttempt
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.outcome import Outcome
from token_broker.refresh.refresher import Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.store import Store


def never_taken_over() -> Substitutes:
    def is_leased(self: Item, now: int) -> bool:
        del now
        return self.lease_owner is not None

    return {(Item, "is_leased"): is_leased}


def uncertainty_dropped() -> Substitutes:
    def init(self: Outcome, *arguments: Any) -> None:
        original(self, *arguments)
        self._was_uncertain = False

    original = Outcome.__init__
    return {(Outcome, "__init__"): init}


def unfinished_dropped() -> Substitutes:
    original = Outcome._uncertainty

    def uncertainty(self: Outcome, version: str | None, *_: object) -> Failure | None:
        return original(self, version, has_sent=False)

    return {(Outcome, "_uncertainty"): uncertainty}


def unanswered_dropped() -> Substitutes:
    original = Store.fail

    def fail(self: Store, lease: Item, failure: Failure | None, *, renewal: str | None) -> Any:
        is_outage = failure is not None and failure.code == "upstream_unavailable"
        return original(self, lease, None if is_outage else failure, renewal=renewal)

    return {(Store, "fail"): fail}


def compared_by_reading() -> Substitutes:
    original = Store._update

    def update(self: Store, item: Item, changes: Any, **rest: Any) -> Item | None:
        if "rejected" in changes:
            rest["unchanged"] = {}
        return original(self, item, changes, **rest)

    return {(Store, "_update"): update}


def forced_anew() -> Substitutes:
    class Forgetful(dict[str, Item]):
        def setdefault(self, _key: str, item: Item | None = None, /) -> Any:
            return item

    def init(self: Refresher, *arguments: Any) -> None:
        original(self, *arguments)
        self._first_seen = Forgetful()

    def after(self: Requirement, item: Item) -> Requirement:
        return replace(self, newer_than=item.generation) if self.force else self

    original = Refresher.__init__
    return {(Refresher, "__init__"): init, (Requirement, "after"): after}


def forced_amid_backoff() -> Substitutes:
    original = Refresher._raise_if_backing_off

    def check(self: Refresher, item: Item, requirement: Requirement) -> None:
        if not requirement.force:
            original(self, item, requirement)

    return {(Refresher, "_raise_if_backing_off"): check}


def latched_at_once() -> Substitutes:
    def judged(*arguments: Any, **named: Any) -> Verdict:
        found = verdict(*arguments, **named)
        return Verdict.LATCH if found is Verdict.SUSPECT else found

    return {(credential_gate, "verdict"): judged}


def second_try_at_once() -> Substitutes:
    return {(CredentialGate, "_refuse_early"): lambda *_: None}


def variant_unlatched() -> Substitutes:
    original = CredentialGate._write

    def write(self: CredentialGate, item: Item, found: Verdict, *rest: Any, **named: Any) -> Any:
        if found is Verdict.LATCH and item.variant != "-":
            return item
        return original(self, item, found, *rest, **named)

    return {(CredentialGate, "_write"): write}


def current_latched() -> Substitutes:
    original = CredentialGate._judge

    def judge(self: CredentialGate, gate: Item, lease: Item, sent: Rejection, decide: Any) -> Any:
        current = self._deps.secrets.current(self._invocation.connection, None).version
        return original(self, gate, lease, sent._replace(version=current), decide)

    return {(CredentialGate, "_judge"): judge}


def gate_untold(write: Write) -> None:
    write.changes.pop("accepted_version", None)


def own_organization() -> Substitutes:
    original = Refresher._resolve_or_exchange

    def following(self: Refresher, variant: Any, seen: Look, requirement: Any) -> Any:
        if variant.kind == "organization" and self._invocation.is_nested:
            return self._exchange(variant, seen.own, seen.own)
        return original(self, variant, seen, requirement)

    return {(Refresher, "_resolve_or_exchange"): following}


def loser_fails() -> Substitutes:
    original = Store.acquire

    def acquire(self: Store, *arguments: Any, **named: Any) -> Item:
        lease = original(self, *arguments, **named)
        if lease is None:
            raise RuntimeError("the write was lost")
        return lease

    return {(Store, "acquire"): acquire}


def told_before_kept() -> Substitutes:
    def keep(self: ExchangeAttempt, result: Any) -> Any:
        return (
            self._outcome.unshared(result) if hasattr(result, "value") else original(self, result)
        )

    original = ExchangeAttempt._keep
    return {(ExchangeAttempt, "_keep"): keep}


def one_item() -> Substitutes:
    original = Broker.token

    def token(self: Broker, connection: str, request: Any, deadline: float) -> Answer:
        held = next(iter(self.deps.cache._tokens.values()), None)
        now = self.deps.clock.now()
        if held and not (request.rejected or request.force) and held.item.is_live(now, 60):
            return self._hand_out(request, held, "memory")
        return original(self, connection, request, deadline)

    return {(Broker, "token"): token}


def settled_without_owner() -> Substitutes:
    original = Store._update

    def update(self: Store, item: Item, changes: Any, **rest: Any) -> Item | None:
        if "lease_owner" in changes:
            rest["is_done"] = lambda found: found.lease_owner is not None
        return original(self, item, changes, **rest)

    return {(Store, "_update"): update}


def report_unlatches(write: Write) -> None:
    if "report_times" in write.changes:
        write.remove.append("failure")
        write.remove[:] = dict.fromkeys(write.remove)


def accepted_by_gate_alone() -> Substitutes:
    return {(Item, "has_accepted"): lambda self, version: version == self.accepted_version}
