"""Planted bugs: each takes one guard out of the shipped code. All of them must be found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.protocol.simulation import fleet, rewrites, substitutes, unchecked, unguarded
from tests.protocol.simulation.rewrites import Substitutes
from token_broker import aliases, check, decisions, store
from token_broker.item import Item
from token_broker.maintenance import Maintenance
from token_broker.refresh import credential_gate, resolver
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.refresher import Refresher


@dataclass(frozen=True, slots=True)
class Bug:
    """A guard, and the code without it."""

    name: str
    guard: str
    substitutes: Callable[[], Substitutes]


@contextmanager
def planted(bug: Bug | None) -> Iterator[None]:
    """Run the shipped code with *bug* in it."""
    planting = bug.substitutes() if bug else {}
    originals = {(owner, name): getattr(owner, name) for owner, name in planting}
    try:
        for (owner, name), value in planting.items():
            setattr(owner, name, value)
        yield
    finally:
        for (owner, name), value in originals.items():
            setattr(owner, name, value)


def no(*_: object) -> bool:
    """Say no, whatever is asked."""
    return False


def zero(*_: object) -> int:
    """Return no seconds at all."""
    return 0


def nothing(*_: object) -> None:
    """Do nothing."""


BUGS = (
    Bug(
        "commit-unfenced",
        "a commit is conditional on fence and owner",
        rewrites.writes(rewrites.commit_unfenced),
    ),
    Bug(
        "failure-unfenced",
        "a failure ends only its own lease",
        rewrites.writes(rewrites.failure_unfenced),
    ),
    Bug(
        "acquire-uncompared",
        "acquiring compares and swaps",
        rewrites.writes(rewrites.acquire_uncompared),
    ),
    Bug(
        "generation-uncompared",
        "acquiring compares the generation",
        rewrites.writes(rewrites.generation_uncompared),
    ),
    Bug("lease-unchecked", "a lease keeps others out", lambda: {(Item, "is_leased"): no}),
    Bug("no-lease", "no exchange without a lease", substitutes.unleased),
    Bug("short-lease", "a lease outlives its invocation", substitutes.short_lease),
    Bug("no-skew", "a lease allows for other clocks", lambda: {(fleet, "SKEW"): 0}),
    Bug("unbounded", "time is checked before each request", substitutes.unbounded),
    Bug(
        "renewal-unmarked",
        "a renewal token is in use before it is sent",
        rewrites.writes(rewrites.renewal_unmarked),
    ),
    Bug("renewal-resent", "what was in use is never sent again", substitutes.resent),
    Bug("latch-unkept", "a rejection is kept", rewrites.writes(rewrites.latch_unkept)),
    Bug("latch-for-ever", "a latch is for a version of the secret", substitutes.latch_for_ever),
    Bug("last-rejection-only", "each rejected version is kept", substitutes.last_rejection_only),
    Bug("no-gate", "one tries an unknown version", lambda: {(CredentialGate, "admit"): nothing}),
    Bug("proven-by-nothing", "only a login proves a version", substitutes.proven_by_nothing),
    Bug("previous-again", "AWSPREVIOUS is tried once", substitutes.previous_again),
    Bug("any-report", "only the current token can be reported", substitutes.any_report),
    Bug("memory-first", "a report passes memory by", substitutes.memory_first),
    Bug("unsettled", "a lost answer is settled by reading", rewrites.unsettled),
    Bug("stale-reads", "reads are strongly consistent", substitutes.stale_reads),
    Bug("item-deleted", "forgetting keeps the fence", rewrites.deleted),
    Bug(
        "old-pointers",
        "a way is as old as its secret",
        lambda: {(aliases, "is_outdated"): no, (resolver, "is_outdated"): no},
    ),
    Bug("doubt-ignored", "who died may have ended the token", lambda: {(Item, "is_uncertain"): no}),
    Bug("min-ttl-ignored", "min_ttl", lambda: {(Item, "min_ttl"): zero}),
    Bug("expired-served", "what ended is not handed out", substitutes.always_live),
    Bug("unelected", "one caller starts a renewal", rewrites.unelected),
    Bug(
        "report-ignored",
        "what was reported is handed out to none",
        lambda: {(Item, "is_rejected"): property(no)},
    ),
    Bug("dropped-early", "an item stays for as long as it is needed", substitutes.dropped_early),
    Bug("no-backoff", "what failed waits", lambda: {(decisions, "backoff_seconds"): zero}),
    Bug("version-ignored", "one version makes it all", substitutes.version_ignored),
    Bug("rotation-quiet", "an event has all renewed", lambda: {(Maintenance, "_start"): zero}),
    Bug("latch-left", "DELETE lifts a latch", rewrites.writes(rewrites.latch_left)),
    Bug("hold-unseen", "each look sees a hold", lambda: {(aliases, "refuse_held"): nothing}),
    Bug(
        "hold-late",
        "a login looks for a hold once it has the lease",
        lambda: {(credential_gate, "refuse_held"): nothing},
    ),
    Bug("hold-removed", "an exchange leaves a hold", rewrites.writes(rewrites.hold_removed)),
    Bug("hold-dropped", "a hold gets no ttl", lambda: {(store, "ONLY"): None}),
    Bug("hold-outlived", "memory is as old as its gate", substitutes.hold_outlived),
    Bug(
        "pin-unrotated",
        "a rotation drops what is pinned now",
        lambda: {(Maintenance, "_may_be_pinned_away"): no},
    ),
    Bug("pin-unasked", "what is pinned is not chosen", substitutes.pin_unasked),
    Bug("renewed-inline", "renewal is off the caller's path", substitutes.renewed_inline),
    Bug("check-unasked", "a check asks the vendor", unchecked.unasked),
    Bug("check-unreported", "a check reports a dead token", unchecked.unreported),
    Bug("check-elsewhere", "a token is checked where it was made", unchecked.sent_elsewhere),
    Bug("check-forced", "a check replaces no token that lives", unchecked.forced),
    Bug("check-tells", "a check hands out no token", unchecked.token_told),
    Bug("check-of-another", "a check is of what is asked", unchecked.asked_of_any_variant),
    Bug(
        "check-amid-hold",
        "a check reads the table for a hold",
        lambda: {(check, "refuse_held"): nothing},
    ),
)

OF_GUARDS = (
    Bug("never-taken-over", "a lease that is over may be taken", unguarded.never_taken_over),
    Bug("doubt-not-put-back", "who sends nothing keeps the doubt", unguarded.uncertainty_dropped),
    Bug("unfinished-unkept", "what was sent and failed is kept", unguarded.unfinished_dropped),
    Bug("unanswered-unkept", "an outage is kept", unguarded.unanswered_dropped),
    Bug("report-unswapped", "a report is a compare and swap", unguarded.compared_by_reading),
    Bug("forced-anew", "force is met by what is newer than its beginning", unguarded.forced_anew),
    Bug("forced-amid-backoff", "force waits after a login", unguarded.forced_amid_backoff),
    Bug("latched-at-once", "what worked is latched at a second word", unguarded.latched_at_once),
    Bug("second-try-at-once", "a minute later", unguarded.second_try_at_once),
    Bug("variant-unlatched", "a variant's rejection is its own", unguarded.variant_unlatched),
    Bug("current-latched", "the version that was sent is latched", unguarded.current_latched),
    Bug("gate-untold", "what was accepted is kept", rewrites.writes(unguarded.gate_untold)),
    Bug("own-organization", "an organization has a lease of its own", unguarded.own_organization),
    Bug("loser-fails", "a lost write is read again", unguarded.loser_fails),
    Bug("told-before-kept", "a token is kept, then handed out", unguarded.told_before_kept),
    Bug("one-item", "an item is named by all inputs", unguarded.one_item),
    Bug("latch-unreported", "a report keeps a latch", rewrites.writes(unguarded.report_unlatches)),
    Bug("made-twice", "what was made is used", lambda: {(Refresher, "_made"): nothing}),
    Bug("accepted-by-gate-alone", "a token proves its version", unguarded.accepted_by_gate_alone),
    Bug("settled-without-owner", "a lease is its owner's", unguarded.settled_without_owner),
)
"""Bugs for guards of the model that the simulation's judge sees late or never: `replay` does."""
