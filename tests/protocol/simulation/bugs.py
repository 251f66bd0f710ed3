"""Planted bugs: each removes one guard of the shipped code. The judge has to find each of them."""

from typing import Any

from tests.protocol.simulation import fleet
from tests.protocol.simulation.clients import DynamoDB
from tests.protocol.simulation.planting import Bugs, Write
from token_broker import check, conditional_writes, decisions, look, maintenance, store
from token_broker.broker import Answer, Broker, answer
from token_broker.cache import CachedToken
from token_broker.check import Check
from token_broker.decisions import AliasState
from token_broker.dependencies import Dependencies
from token_broker.exchange import Request, Response
from token_broker.flows.editor import credentials as editor
from token_broker.flows.vntana import credentials as vntana
from token_broker.item import CREDENTIAL_REJECTED, Item
from token_broker.look import Look
from token_broker.records import replace
from token_broker.refresh import attempt, credential_gate, invocation
from token_broker.refresh.attempt import ExchangeAttempt
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outcome import Outcome
from token_broker.refresh.refresher import Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.store import Store
from token_broker.tokens import Token, TokenRequest

BUGS = Bugs()


def no(*_: object) -> bool:
    return False


def zero(*_: object) -> int:
    return 0


def nothing(*_: object) -> None:
    """Do nothing."""


# The lease


@BUGS.of_writes("a commit is conditional on fence and owner", near=100)
def commit_unfenced(write: Write) -> None:
    if write.is_commit:
        write.unchanged.clear()


@BUGS.of_writes("a failure ends only its own lease", near=1161)
def failure_unfenced(write: Write) -> None:
    if write.is_failure:
        write.unchanged.clear()


@BUGS.of_writes("acquire is a compare and swap")
def acquire_uncompared(write: Write) -> None:
    if write.is_acquire:
        write.unchanged.clear()


@BUGS.of_writes("acquire compares the generation")
def generation_uncompared(write: Write) -> None:
    if write.is_acquire:
        write.unchanged.pop("generation", None)


BUGS.add("lease-unchecked", "a lease excludes others", (Item, "is_leased", no))


@BUGS.instead_of(Invocation, "acquire", "no exchange without a lease")
def no_lease(self: Invocation, item: Item, **_: object) -> Item:
    now = self.deps.clock.now()
    return replace(item, lease_owner=self.deps.owner(), lease_until=now + 60)


@BUGS.instead_of(invocation, "lease_end", "a lease outlives its invocation", near=397)
def short_lease(now: int, _remaining: float, skew: int) -> int:
    return now + 5 + skew


BUGS.add("no-skew", "a lease allows for other clocks", (fleet, "SKEW", 0), near=72)


@BUGS.instead_of(ExchangeAttempt, "_send", "time is checked before each request", near=310)
def unbounded(self: ExchangeAttempt, request: Request) -> Response:
    if request.proves_credentials:
        self._is_proven = True
        self._gate.admit(self._outcome.item, self._secret.version())
    self._has_sent = True
    self._invocation.last_request = request
    return self._deps.send(request, 60.0)


@BUGS.around(Store, "_update", "a read settles a write without an answer", near=481)
def unsettled(original: Any, self: Store, item: Item, changes: Any, **rest: Any) -> Any:
    return original(self, item, changes, **rest | {"is_done": no})


@BUGS.around(DynamoDB, "get_item", "reads are strongly consistent")
def stale_reads(original: Any, self: DynamoDB, **request: Any) -> Any:
    return original(self, **request | {"ConsistentRead": False})


# Tokens and renewal tokens


@BUGS.of_writes("a renewal token is marked before it is sent", near=58)
def renewal_unmarked(write: Write) -> None:
    if write.is_acquire:
        write.changes.pop("renewal", None)


BUGS.add(
    "renewal-resent",
    "a marked renewal token is never sent again",
    (Outcome, "was_ready", property(lambda self: self._before.renewal is not None)),
    near=58,
)


@BUGS.instead_of(Refresher, "_report", "only the current token can be reported", near=187)
def any_report(
    self: Refresher, seen: Look, requirement: Requirement
) -> tuple[Requirement, Look | None]:
    item = seen.target
    if item.token and not item.is_rejected:
        self._deps.store.report(item, (self._deps.clock.now(),))
    return requirement, None


@BUGS.around(Broker, "token", "a report does not use the cache")
def memory_first(
    original: Any, self: Broker, connection: str, request: TokenRequest, deadline: float
) -> Any:
    now = self.deps.clock.now()
    held = self.deps.cache.recall(self.deps.partition(connection), request.variant.key)
    held = held if held and self.deps.cache.is_recent(held, now) else None
    if held and held.item.lives_for(now, request.min_ttl):
        return answer(held, "memory")
    return original(self, connection, request, deadline)


@BUGS.instead_of(Item, "lives_for", "an expired token is not returned")
def expired_served(self: Item, *_: object) -> bool:
    return self.token is not None and self.target is None and not self.is_rejected


@BUGS.around(Store, "claim_refresh", "one caller starts a refresh", near=27)
def unclaimed(original: Any, self: Store, item: Item, until: int) -> bool:
    original(self, item, until)
    return True


@BUGS.instead_of(Broker, "_start_refresh", "a refresh is not on the caller's path", near=20)
def renewed_inline(self: Broker, connection: str, _key: str, held: CachedToken, _now: int) -> None:
    work = Invocation(self.deps, connection, self.deps.clock.monotonic() + 20)
    variant: Any = work.sealer.open_variant(held.item)
    Refresher(work).obtain(variant, Requirement(newer_than=held.item.generation))


@BUGS.instead_of(store, "ttl_of", "an item is not dropped while it is needed")
def dropped_early(item: Item) -> int:
    return item.expires_at + 86_400


@BUGS.around(Item, "lives_for", "min_ttl")
def min_ttl_ignored(original: Any, self: Item, now: int, _min_ttl: int | None) -> Any:
    return original(self, now, 0)


BUGS.add("doubt-ignored", "a crash makes the token uncertain", (Item, "is_uncertain", no), near=158)
BUGS.add(
    "report-ignored",
    "a reported token is not returned",
    (Item, "is_rejected", property(no)),
    near=157,
)


# Versions of the secret


@BUGS.of_writes("a rejection is stored")
def latch_unkept(write: Write) -> None:
    write.changes.pop("rejected_versions", None)


@BUGS.of_writes("DELETE lifts a latch", near=140)
def latch_left(write: Write) -> None:
    if "rejected_versions" in write.remove:
        write.remove.remove("rejected_versions")


@BUGS.instead_of(Item, "is_latched", "a latch is for a version of the secret")
def latch_for_ever(self: Item, _version: str) -> bool:
    return bool(self.rejected_versions) or (
        self.failure is not None and self.failure.code == CREDENTIAL_REJECTED
    )


@BUGS.instead_of(conditional_writes, "add_version", "each rejected version is stored", near=202)
def last_rejection_only(_versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return (version,)


BUGS.add("no-gate", "one holder tries an unproven version", (CredentialGate, "admit", nothing))


@BUGS.around(ExchangeAttempt, "_converse", "only a login proves a version", near=215)
def proven_by_nothing(original: Any, self: ExchangeAttempt) -> Any:
    self._gate.admit(self._outcome.item, self._secret.version())
    return original(self)


@BUGS.around(Requirement, "is_met", "a token is made with one version")
def version_ignored(original: Any, self: Requirement, item: Item, now: int, _: object) -> Any:
    return original(self, item, now, None)


ADMIT = CredentialGate.admit


def admit_unless_rejected(self: CredentialGate, lease: Item, version: str) -> None:
    if not self._secret.is_previous:
        ADMIT(self, lease, version)


BUGS.add(
    "previous-again",
    "AWSPREVIOUS is tried once",
    (CredentialGate, "admit", admit_unless_rejected),
    (attempt, "latched_by", nothing),
    near=60,
)
BUGS.add(
    "outdated-aliases",
    "an alias is valid for its version of the secret",
    (Look, "alias_state", AliasState.VALID),
    near=21,
)
BUGS.add("no-backoff", "a failure has a back-off", (decisions, "backoff_seconds", zero), near=37)
BUGS.add("rotation-quiet", "an event refreshes all variants", (maintenance, "_start", zero))


# What operators do: DELETE, holds, pins


@BUGS.instead_of(Store, "forget", "forgetting keeps the fence", near=48)
def item_deleted(self: Store, item: Item) -> Item:
    client: Any = self._client()
    key = {"connection": {"S": item.partition}, "variant": {"S": item.variant}}
    client.delete_item(TableName="table", Key=key)
    return item


@BUGS.around(maintenance, "_log_out", "DELETE ends each session", near=469)
def session_left(log_out: Any, work: Invocation, item: Item, gate: Item) -> None:
    if work.deadline.seconds_left >= 7:
        log_out(work, item, gate)


@BUGS.of_writes("an exchange leaves a hold", near=54)
def hold_removed(write: Write) -> None:
    if write.is_commit and "held" not in write.remove:
        write.remove.append("held")


BUGS.add("hold-unseen", "each read checks for a hold", (look, "refuse_held", nothing), near=54)
BUGS.add(
    "hold-late",
    "a login checks for a hold after it has the lease",
    (credential_gate, "refuse_held", nothing),
    near=327,
)


@BUGS.around(Store, "write_if", "an item with a hold has no ttl", near=54)
def hold_dropped(original: Any, self: Store, item: Item, changes: Any, as_read: Any) -> Any:
    # The condition of acquire compares the hold anyway.
    if changes.get("ttl") and "rejected_versions" not in as_read:
        as_read = {name: seen for name, seen in as_read.items() if name != "held"}
    return original(self, item, changes, as_read)


@BUGS.around(Outcome, "_values", "a cached token is as old as the read of its gate", near=150)
def hold_outlived(original: Any, self: Outcome, token: Token) -> Any:
    self._invocation.gate_read_at = self._deps.clock.now()
    return original(self, token)


BUGS.add(
    "pin-unrotated",
    "a rotation drops tokens that are pinned now",
    (maintenance, "_may_be_pinned_away", no),
    near=132,
)
BUGS.add(
    "pin-unasked",
    "a caller cannot choose a pinned parameter",
    (editor.Credentials, "pins", property(lambda _: {})),
    (vntana.Credentials, "pins", property(lambda _: {})),
    near=23,
)


# Checks

BUGS.add("check-unasked", "a check sends a request", (Check, "_is_taken", lambda *_: True))
BUGS.add(
    "check-amid-hold",
    "a check reads the table for a hold",
    (check, "refuse_held", nothing),
    near=427,
)


@BUGS.instead_of(check, "replace", "a check reports a dead token", near=353)
def check_unreported(record: Any, **changes: Any) -> Any:
    return replace(record, **{n: v for n, v in changes.items() if n != "rejected"})


@BUGS.around(Check, "_secret", "a token is checked where it was made", near=39)
def check_elsewhere(original: Any, self: Check, _version: str | None) -> Any:
    return original(self, self._deps.secrets.current(self._connection).version)


@BUGS.around(Check, "run", "a check does not replace a live token")
def check_forced(original: Any, self: Check, request: TokenRequest) -> Any:
    return original(self, replace(request, force=True))


@BUGS.around(Check, "_is_taken", "a check returns no token")
def check_tells(original: Any, self: Check, answer: Answer) -> Any:
    answer.token.context["token"] = answer.token.value  # type: ignore[index]  # the bug: a context is read-only
    return original(self, answer)


class ConfusedBroker:
    """Returns the first token in its process's cache."""

    def __init__(self, deps: Dependencies) -> None:
        self._broker = Broker(deps)

    def token(self, connection: str, request: TokenRequest, deadline: float) -> Answer:
        found = self._broker.token(connection, request, deadline)
        held = next(iter(self._broker.deps.cache._tokens.values()), None)
        return replace(found, item=held.item, token=held.token) if held else found


BUGS.add("check-of-another", "a check is of its variant", (check, "Broker", ConfusedBroker))
