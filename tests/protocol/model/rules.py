"""The protocol's guards and the assumptions on its environment; a mutant removes each."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any


def rule(says: str, *breaks: str, where: str = "session", lambdas: int = 2) -> Any:
    """Return a field for a rule that only a mutant does not follow.

    The scenario *where* with *lambdas* Lambdas shows which invariants break without it, the
    shortest trace first.
    """
    shown = {"says": says, "where": where, "breaks": breaks, "lambdas": lambdas}
    return field(default=True, metadata=shown)


at_gate = partial(rule, where="gate")


@dataclass(frozen=True, slots=True)
class Guards:
    """The guards of the protocol."""

    free: bool = rule("acquire only a lease that is free or over", "I1")
    swap_fence: bool = at_gate("acquire only if the fence is as it was read", "I7")
    swap_generation: bool = rule("acquire only if the generation is as it was read", "I2", "I5")
    fence: bool = rule("commit only if the fence is the holder's", lambdas=3)
    """Nothing breaks without it: the owner, which is new with each lease, implies it."""
    owner: bool = rule("commit only if the lease's owner is the holder", "I9", where="reports")
    own_end: bool = rule("only the owner ends a lease (implied by either rule above)", where="")
    owner_read: bool = rule("settle an ambiguous acquire by the owner that is there", "I1")
    settle: bool = rule("settle an ambiguous write by reading at all", "I1")
    bound: bool = rule("send only with time for the answer left", "I1", "I4")
    kill: bool = rule("the lease lasts until the platform has ended its holder", "I1", "I4")
    takeover: bool = rule("a lease that is over may be taken", "I10", "L1")
    in_use: bool = rule("mark the renewal token before it is sent", "I6", where="renewal")
    doubt: bool = rule("a lease that ran out makes the old token uncertain", "I4", "I10")
    put_back: bool = rule("a takeover without a request stores the token as uncertain", "I4")
    stale: bool = rule("an unanswered request makes the old token uncertain", "I4")
    spoilt: bool = rule("an exchange that sent something and fails in any way stores that", "I4")
    backoff: bool = rule("store a failure and wait for its `retry_at`", "I5")
    latch: bool = at_gate("store that a version of the secret was rejected", "I7")
    latch_forced: bool = at_gate("the latch holds for forced calls too", "I7")
    latch_version: bool = at_gate(
        "the latch is for one version of the secret, and for no other", "L1"
    )
    latch_sent: bool = at_gate(
        "the latch names the version that was sent, not the one that is current by then", "L1"
    )
    gate_first: bool = at_gate(
        "a version that is not proven is tried under the gate's lease alone", "I7"
    )
    suspect: bool = rule(
        "an accepted version is latched only when it is rejected twice", "L1", where="page"
    )
    second_look: bool = rule(
        "and the second try is a minute after the first", "I7", where="expelled"
    )
    strict: bool = rule("force waits for the `retry_at` of a login that failed", "I5")
    own_latch: bool = rule(
        "a rejection that may be about the variant latches that one at once",
        "I7",
        where="parameters",
    )
    verdict: bool = at_gate(
        "what the gate's holder learnt is stored with the end of its lease", "I7"
    )
    compare: bool = rule(
        "a report counts only for the token that is current", "I9", where="reports"
    )
    compare_write: bool = rule(
        "that comparison is the condition of the write", "I9", where="reports"
    )
    generation_wait: bool = rule("a forced call that finds a lease waits for that exchange", "I5")
    commit_first: bool = rule("commit before hand-out", "I5")
    ask: bool = rule("ask for the organization's token by its own lease", "I1", where="workspaces")
    min_ttl: bool = rule("never hand out a token with less than `min_ttl` left", "I8")
    key: bool = rule("an item is named by all inputs", "I8", where="workspaces")
    loser: bool = rule("a lost conditional write is read again, and is no error", "L1")


@dataclass(frozen=True, slots=True)
class Promises:
    """Assumptions of the protocol, which it cannot enforce."""

    in_time: bool = rule(
        "the upstream processes a request before its sender gives up, or never", "I1", "I4"
    )
    prompt: bool = rule("from the check to the sending takes less than the margin", "I1", "I4")
    alone: bool = rule("no other connection uses the account", "I4", where="neighbours")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A part of the protocol that is explored completely, and its bounds."""

    name: str
    about: str
    bounds: tuple[int, int]
    """The maximum number of faults, and of occasions: expiries, forced calls, reports and more."""
    may: AbstractSet[str]
    """The kinds of faults and occasions."""
    lambdas: int = 4
    items: int = 1
    callable: tuple[int, ...] = (0,)
    renewals: bool = False
    gate: bool = False
    organization: bool = False
    good: tuple[bool, ...] = (True,)
    """The versions of the secret that the upstream accepts initially."""
    accepted: int = -1
    """The version that the gate initially records as accepted."""
    suspects: int = 0
    """The number of variants that try a version after ambiguous rejections, or 0."""
    steps: int = 1
    """The number of requests of an exchange."""
    wrong: int = 1
    """The rejected logins with a version that I7 allows."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The guards, assumptions and scenario of an exploration."""

    scenario: Scenario
    guards: Guards = Guards()
    promises: Promises = Promises()

    @property
    def is_timely(self) -> bool:
        """Return whether no Lambda sends under a lease that is late or has ended."""
        return self.guards.kill and self.promises.prompt


RULES: Mapping[str, Mapping[str, Any]] = {
    one.name: one.metadata for one in (*fields(Guards), *fields(Promises))
}
"""The rule, the broken invariants and the scenario of each guard or promise."""
