"""Planted bugs: each takes one guard out of the shipped code. All of them must be found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tests.protocol.simulation import world
from tests.protocol.simulation.clients import DynamoDB
from token_broker import broker, errand
from token_broker.attempt import Attempt
from token_broker.broker import Answer, Broker, Call
from token_broker.errand import Errand, Wish
from token_broker.exchange import Request, Response
from token_broker.gate import Gate
from token_broker.item import LATCHES, Item
from token_broker.memory import Held
from token_broker.store import Store

Substitutes = dict[tuple[object, str], Any]
"""What stands in place of which attribute of which class or module."""


@dataclass(slots=True)
class Write:
    """What a write sets, what it is conditional on, and what it removes."""

    changes: dict[str, Any]
    unchanged: dict[str, Any]
    remove: list[str]

    @property
    def is_acquire(self) -> bool:
        """Say whether it takes a lease."""
        return "lease_owner" in self.changes

    @property
    def is_commit(self) -> bool:
        """Say whether it keeps what an exchange earned."""
        return "generation" in self.changes and "lease_owner" in self.unchanged

    @property
    def is_failure(self) -> bool:
        """Say whether it ends a lease with nothing earned."""
        return "lease_owner" in self.remove and not self.is_commit


@dataclass(frozen=True, slots=True)
class Bug:
    """A guard, and the code without it."""

    name: str
    guard: str
    substitutes: Callable[[], Substitutes]


@contextmanager
def planted(bug: Bug | None) -> Iterator[None]:
    """Run the shipped code with *bug* in it."""
    substitutes = bug.substitutes() if bug else {}
    originals = {(owner, name): getattr(owner, name) for owner, name in substitutes}
    try:
        for (owner, name), value in substitutes.items():
            setattr(owner, name, value)
        yield
    finally:
        for (owner, name), value in originals.items():
            setattr(owner, name, value)


def writes(rewrite: Callable[[Write], object]) -> Callable[[], Substitutes]:
    """Return a bug in what is written to the table."""

    def substitutes() -> Substitutes:
        original = Store._update

        def update(self: Store, item: Item, changes: Any, **rest: Any) -> Item | None:
            write = Write(dict(changes), dict(rest["unchanged"]), list(rest.get("remove", ())))
            rewrite(write)
            return original(self, item, write.changes, **rest | {"unchanged": write.unchanged})

        return {(Store, "_update"): update}

    return substitutes


def commit_unfenced(write: Write) -> None:
    if write.is_commit:
        write.unchanged.clear()


def failure_unfenced(write: Write) -> None:
    if write.is_failure:
        write.unchanged.clear()


def acquire_uncompared(write: Write) -> None:
    if write.is_acquire:
        write.unchanged.clear()


def generation_uncompared(write: Write) -> None:
    if write.is_acquire:
        write.unchanged.pop("generation", None)


def renewal_unmarked(write: Write) -> None:
    if write.is_acquire:
        write.changes.pop("renewal", None)


def latch_unkept(write: Write) -> None:
    write.changes.pop("rejected_versions", None)


def unsettled() -> Substitutes:
    original = Store._update

    def update(self: Store, item: Item, changes: Any, **rest: Any) -> Item | None:
        return original(self, item, changes, **rest | {"is_done": lambda _: False})

    return {(Store, "_update"): update}


def unelected() -> Substitutes:
    original = Store.nudge

    def nudge(self: Store, item: Item, until: int) -> bool:
        original(self, item, until)
        return True

    return {(Store, "nudge"): nudge}


def deleted() -> Substitutes:
    def forget(self: Store, item: Item) -> None:
        client: Any = self._client()
        key = {"connection": {"S": item.connection}, "variant": {"S": item.variant}}
        client.delete_item(TableName="table", Key=key)

    return {(Store, "forget"): forget}


def short_lease() -> Substitutes:
    def lease_end(now: int, remaining: float, skew: int) -> int:
        del remaining
        return now + 5 + skew

    return {(errand, "lease_end"): lease_end}


def unbounded() -> Substitutes:
    def send(self: Attempt, request: Request) -> Response:
        if request.step in ("login", "generate"):
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
    original = Gate.reject

    def reject(self: Gate, *arguments: Any) -> None:
        self._rejected.clear()
        original(self, *arguments)

    return {(Gate, "reject"): reject}


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


BUGS = (
    Bug("commit-unfenced", "a commit is conditional on fence and owner", writes(commit_unfenced)),
    Bug("failure-unfenced", "a failure ends only its own lease", writes(failure_unfenced)),
    Bug("acquire-uncompared", "acquiring compares and swaps", writes(acquire_uncompared)),
    Bug(
        "generation-uncompared", "acquiring compares the generation", writes(generation_uncompared)
    ),
    Bug("lease-unchecked", "a lease keeps others out", lambda: {(Item, "is_leased"): no}),
    Bug("no-lease", "no exchange without a lease", unleased),
    Bug("short-lease", "a lease outlives its invocation", short_lease),
    Bug("no-skew", "a lease allows for other clocks", lambda: {(world, "SKEW"): 0}),
    Bug("unbounded", "time is checked before each request", unbounded),
    Bug(
        "renewal-unmarked", "a renewal token is in use before it is sent", writes(renewal_unmarked)
    ),
    Bug("renewal-resent", "what was in use is never sent again", resent),
    Bug("latch-unkept", "a rejection is kept", writes(latch_unkept)),
    Bug("latch-for-ever", "a latch is for a version of the secret", latch_for_ever),
    Bug("last-rejection-only", "each rejected version is kept", last_rejection_only),
    Bug("no-gate", "one tries an unknown version", lambda: {(Gate, "admit"): nothing}),
    Bug("proven-by-nothing", "only a login proves a version", proven_by_nothing),
    Bug("previous-again", "AWSPREVIOUS is tried once", previous_again),
    Bug("any-report", "only the current token can be reported", any_report),
    Bug("memory-first", "a report passes memory by", memory_first),
    Bug("unsettled", "a lost answer is settled by reading", unsettled),
    Bug("stale-reads", "reads are strongly consistent", stale_reads),
    Bug("item-deleted", "forgetting keeps the fence", deleted),
    Bug(
        "old-pointers",
        "a way is as old as its secret",
        lambda: {(broker, "may_mislead"): no, (errand, "may_mislead"): no},
    ),
    Bug("min-ttl-ignored", "min_ttl", lambda: {(Item, "min_ttl"): zero}),
    Bug("expired-served", "what ended is not handed out", always_live),
    Bug("unelected", "one caller starts a renewal", unelected),
    Bug("renewed-inline", "renewal is off the caller's path", renewed_inline),
)


def no(*_: object) -> bool:
    """Say no, whatever is asked."""
    return False


def zero(*_: object) -> int:
    """Return no seconds at all."""
    return 0


def nothing(*_: object) -> None:
    """Do nothing."""
