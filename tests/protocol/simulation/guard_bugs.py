"""Planted bugs for the model's guards that the judge finds late or never.

The replay finds them; `tests.protocol.replay.counterparts` lists the pairs.
"""

from typing import Any

from tests.protocol.simulation.bugs import BUGS, nothing
from tests.protocol.simulation.planting import Bugs, Write
from token_broker.broker import Broker, answer
from token_broker.conditional_writes import Rejection
from token_broker.decisions import Verdict
from token_broker.item import Failure, Item
from token_broker.records import replace
from token_broker.refresh import credential_gate
from token_broker.refresh.attempt import ExchangeAttempt
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.outcome import Outcome
from token_broker.refresh.refresher import Obtained, Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.store import Store

GUARD_BUGS = Bugs()


@GUARD_BUGS.instead_of(Item, "is_leased", "a lease that has ended may be acquired")
def never_taken_over(self: Item, _now: int) -> bool:
    return self.lease_owner is not None


@GUARD_BUGS.around(Outcome, "__init__", "a takeover without a request stores the doubt")
def doubt_not_put_back(original: Any, self: Outcome, *arguments: Any, **named: Any) -> None:
    original(self, *arguments, **named)

    self._before = replace(self._before, lease_owner=None)


@GUARD_BUGS.around(Outcome, "_uncertainty", "an exchange that failed after a request stores that")
def unfinished_unkept(original: Any, self: Outcome, *_: object) -> Any:
    return original(self, False)


@GUARD_BUGS.around(Store, "release", "an outage is stored")
def unanswered_unkept(
    original: Any, self: Store, lease: Item, failure: Failure | None, *, renewal: str | None
) -> Any:
    is_outage = failure is not None and failure.code == "upstream_unavailable"
    return original(self, lease, None if is_outage else failure, renewal=renewal)


@GUARD_BUGS.of_writes("a report is a compare and swap")
def report_unswapped(write: Write) -> None:
    if "rejected" in write.changes:
        write.unchanged.clear()


class Forgetful(dict[str, int]):
    """Keeps the last generation that was set, not the first."""

    def setdefault(self, _key: str, generation: int | None = None, /) -> Any:
        return generation


INIT = Refresher.__init__


def begin_forgetful(self: Refresher, *arguments: Any) -> None:
    INIT(self, *arguments)
    self._first_seen = Forgetful()


GUARD_BUGS.add(
    "forced-anew",
    "only a token newer than its first read satisfies a forced call",
    (Refresher, "__init__", begin_forgetful),
)


@GUARD_BUGS.around(Refresher, "_raise_if_backing_off", "force waits for a login's back-off")
def forced_amid_backoff(
    original: Any, self: Refresher, item: Item, requirement: Requirement
) -> None:
    if not requirement.force:
        original(self, item, requirement)


@GUARD_BUGS.around(credential_gate, "verdict", "an accepted version latches later")
def latched_at_once(original: Any, *arguments: Any, **named: Any) -> Verdict:
    found: Verdict = original(*arguments, **named)
    return Verdict.LATCH if found is Verdict.SUSPECT else found


GUARD_BUGS.add("second-try-at-once", "a minute apart", (CredentialGate, "_refuse_early", nothing))


@GUARD_BUGS.around(Store, "judge", "a rejection about a variant is stored on its item")
def variant_unlatched(
    original: Any, self: Store, item: Item, found: Verdict, *rest: Any, **named: Any
) -> Any:
    if found is Verdict.LATCH and item.variant != "-":
        return item
    return original(self, item, found, *rest, **named)


@GUARD_BUGS.around(CredentialGate, "reject", "the version that was sent is latched")
def current_latched(
    original: Any, self: CredentialGate, own: Item, sent: Rejection, **named: Any
) -> Any:
    current = self._deps.secrets.current(self._invocation.connection, None).version
    return original(self, own, sent._replace(version=current), **named)


@GUARD_BUGS.of_writes("an accepted version is stored")
def gate_untold(write: Write) -> None:
    write.changes.pop("accepted_version", None)


@GUARD_BUGS.around(Refresher, "_exchange", "an organization has a lease of its own")
def own_organization(
    original: Any, self: Refresher, variant: Any, own: Item, requirement: Any
) -> Any:
    if variant.kind == "organization" and requirement.of_version_in_use:
        outcome = Outcome(self._invocation, variant, before=own, item=own)
        attempt = ExchangeAttempt(self._invocation, self._gate, outcome, self.token_of)
        made: Any = attempt.run()
        return made and Obtained(made, "exchange")
    return original(self, variant, own, requirement)


@GUARD_BUGS.around(Store, "acquire", "a lost conditional write is followed by a read")
def loser_fails(original: Any, self: Store, *arguments: Any, **named: Any) -> Item:
    lease: Item | None = original(self, *arguments, **named)
    if lease is None:
        raise RuntimeError("the conditional write failed")
    return lease


@GUARD_BUGS.around(Outcome, "keep", "a token is stored before it is returned")
def told_before_kept(original: Any, self: Outcome, result: Any) -> Any:
    return self.unshared_token(result) if hasattr(result, "value") else original(self, result)


@GUARD_BUGS.around(Broker, "token", "an item's key includes all inputs")
def one_item(original: Any, self: Broker, connection: str, request: Any, deadline: float) -> Any:
    held = next(iter(self.deps.cache._tokens.values()), None)
    now = self.deps.clock.now()
    if held and not (request.rejected or request.force) and held.item.lives_for(now, 60):
        return answer(held, "memory")
    return original(self, connection, request, deadline)


@GUARD_BUGS.around(Store, "_update", "a read settles a write by the lease's owner")
def settled_without_owner(original: Any, self: Store, item: Item, changes: Any, **rest: Any) -> Any:
    if changes.get("lease_owner"):
        rest["is_done"] = lambda found: found.lease_owner is not None
    return original(self, item, changes, **rest)


ALL_BUGS = {**BUGS, **GUARD_BUGS}
