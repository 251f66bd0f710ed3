"""The protocol's guards and the world's promises, each of which a mutant takes away."""

from dataclasses import dataclass, field, fields
from typing import Any


def rule(says: str) -> Any:
    """Return a field for a rule that is followed unless a mutant does not."""
    return field(default=True, metadata={"says": says})


@dataclass(frozen=True, slots=True)
class Guards:
    """What the protocol does."""

    free: bool = rule("acquire only a lease that is free or over")
    swap_fence: bool = rule("acquire only if the fence is as it was read")
    swap_generation: bool = rule("acquire only if the generation is as it was read")
    fence: bool = rule("commit only if the fence is one's own")
    owner: bool = rule("commit only if the lease's owner is oneself")
    own_end: bool = rule("end only one's own lease (implied by either of the two above)")
    owner_read: bool = rule("settle an ambiguous acquire by the owner that is there")
    settle: bool = rule("settle an ambiguous write by reading at all")
    bound: bool = rule("send only with time for the answer left")
    kill: bool = rule("the lease lasts until the platform has ended its holder")
    takeover: bool = rule("a lease that is over may be taken")
    in_use: bool = rule("mark the renewal token before it is sent")
    doubt: bool = rule("a lease that ran out puts the old token in doubt")
    put_back: bool = rule("who takes over such a lease and sends nothing stores that doubt")
    stale: bool = rule("an unanswered request puts the old token in doubt")
    spoilt: bool = rule("an exchange that sent something and fails in any way stores that")
    backoff: bool = rule("store a failure and wait for its `retry_at`")
    latch: bool = rule("store that a version of the secret was rejected")
    latch_forced: bool = rule("the latch holds for forced calls too")
    latch_version: bool = rule("the latch is for one version of the secret, and for no other")
    latch_sent: bool = rule(
        "the latch names the version that was sent, not the one that is current by then"
    )
    gate_first: bool = rule("a version that is not proven is tried under the gate's lease alone")
    suspect: bool = rule("an accepted version is latched only when it is rejected twice")
    second_look: bool = rule("and the second try is a minute after the first")
    strict: bool = rule("force waits for the `retry_at` of a login that failed")
    own_latch: bool = rule("a rejection that may be about the variant latches that one at once")
    verdict: bool = rule("what the gate's holder learnt is stored with the end of its lease")
    compare: bool = rule("a report counts only for the token that is current")
    compare_write: bool = rule("that comparison is the condition of the write")
    generation_wait: bool = rule("a forced call that finds a lease waits for that exchange")
    commit_first: bool = rule("commit before hand-out")
    ask: bool = rule("ask for the organization's token by its own lease")
    min_ttl: bool = rule("never hand out a token with less than `min_ttl` left")
    key: bool = rule("an item is named by all inputs")
    loser: bool = rule("a lost conditional write is read again, and is no error")


@dataclass(frozen=True, slots=True)
class Promises:
    """What the protocol builds on and cannot enforce."""

    in_time: bool = rule("the upstream processes a request before its sender gives up, or never")
    prompt: bool = rule("from the check to the sending takes less than the margin")
    alone: bool = rule("no other connection uses the account")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A part of the protocol that is explored to its end, and its bounds."""

    name: str
    about: str
    faults: int
    """Faults of any kind, in all."""
    occasions: int
    """Tokens that grow old, forced calls, reports, rotations, in all."""
    may: frozenset[str]
    """Which of them."""
    lambdas: int = 4
    items: int = 1
    callable: tuple[int, ...] = (0,)
    renewals: bool = False
    gate: bool = False
    organization: bool = False
    good: tuple[bool, ...] = (True,)
    """Which versions of the secret the upstream accepts at first."""
    accepted: int = -1
    """The version that the gate knows to be accepted at first."""
    suspects: int = 0
    """Variants that a version is tried for whose rejection may be about them; 0: it never is."""
    steps: int = 1
    """Requests that an exchange may take."""
    wrong: int = 1
    """Logins with a version that the upstream may have to reject until it is latched (I7)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """All that decides what may happen."""

    scenario: Scenario
    guards: Guards = Guards()
    promises: Promises = Promises()

    @property
    def is_timely(self) -> bool:
        """Say whether a lease never runs out, or grows late, under a Lambda that then sends."""
        return self.guards.kill and self.promises.prompt


def says(name: str) -> str:
    """Return what the guard or promise of this *name* says."""
    known = {one.name: one for one in (*fields(Guards), *fields(Promises))}
    return str(known[name].metadata["says"])
