"""The model's state of the table, the upstream and the Lambdas: small tuples of numbers.

Named tuples, not dataclasses: they are hashed and compared a million times. There is no clock; time
passes by moves: a token ages, a lease becomes late, then it ends.
"""

from typing import NamedTuple, TypeVar


class Age:
    """The age of a token: less than `min_ttl` left, due for renewal, or neither."""

    DEAD, AGING, FRESH = range(3)


class Lease:
    """The phase of a lease: none, time for one more request, no such time, or expired."""

    FREE, EARLY, LATE, OVER = range(4)


class Renewal:
    """The renewal token of an item."""

    ABSENT, READY, IN_USE = range(3)


class Failure:
    """The last failure of an item: none, before its `retry_at`, or after it."""

    CALM, PATIENT, DUE = range(3)


class Stage:
    """The program counter of a Lambda. From `HOLDING` on it has a lease."""

    IDLE, WAITING, MARKING, ACQUIRING, SETTLING_LEASE = range(5)
    HOLDING, GATING, CHECKED, SENT, JUDGING, COMMITTING, SETTLING = range(5, 12)


class Ask:
    """The reason of a call; `RENEWING` is the background renewal."""

    PLAIN, FORCED, REPORTING, RENEWING = range(4)


class Result:
    """The results of an exchange without a token (a token is its number, from 1)."""

    REFUSED, DOWN, UNANSWERED, REJECTED, LATCHED, SPOILT, DENIED = range(-7, 0)


Value = TypeVar("Value")


class Item(NamedTuple):
    """One item of the table."""

    token: int = 0
    age: int = Age.DEAD
    generation: int = 2
    fence: int = 1
    """Fence and generation are reset after each move: only their change matters (`symmetry`)."""
    lease: int = Lease.FREE
    renewal: int = Renewal.ABSENT
    rejected: int = 0
    failure: int = Failure.CALM
    strict: int = 0
    """Whether a login failed: then a forced call waits for its `retry_at` as well."""
    blames: int = -1
    """The version of the secret of the failure; -1 is any."""
    latch: int = 0
    """The versions of the secret that were rejected, a bit each."""
    version: int = -1
    """The version of the secret that the token was made with."""
    accepted: int = -1
    """On the gate: the version that was accepted."""
    suspect: int = -1
    """On the gate: an accepted version that was rejected once since."""
    suspects: int = 0
    """On the gate: the items for which an unaccepted version was rejected, a bit each."""
    early: int = 0
    """Whether that rejection was less than a minute ago."""


class Outer(NamedTuple):
    """The exchange that a Lambda continues when it has the organization's token."""

    item: int
    ask: int
    seen: int
    fence: int
    begun: int
    over: int


class Lambda(NamedTuple):
    """One Lambda in at most one call; or a message of a crashed one."""

    step: int = Stage.IDLE
    item: int = 0
    ask: int = Ask.PLAIN
    seen: int = 0
    """The generation that it read."""
    fence: int = 0
    """The fence that it read, and from `HOLDING` on its own fence; -1 is an old one."""
    using: int = 0
    """The renewal token, or the organization's token, that the exchange spends; 0 is a login."""
    version: int = 0
    """The secret's version that was read."""
    gate: int = 0
    """The gate's fence that it read, and from `CHECKED` on its own fence; 0 without the gate."""
    result: int = 0
    begun: int = 0
    """The number of requests that this exchange has sent."""
    wrote: int = 0
    """While settling: whether the write was done. The Lambda does not know."""
    previous: int = 0
    """Whether it uses the previous version, as the current one was rejected."""
    login: int = 0
    """Whether its last request was a login."""
    late: int = 0
    """Whether the request was sent with too little time left for its answer."""
    over: int = 0
    """Whether it acquired its lease after another holder's lease expired."""
    kept: int = 0
    """The token that its last call got, which it may report as rejected."""
    outer: "Outer | tuple[()]" = ()


class State(NamedTuple):
    """The complete state. `sent`, `credit` and `wrong` are history variables of the invariants."""

    lambdas: tuple[Lambda, ...]
    items: tuple[Item, ...]
    made: tuple[int, ...]
    """At the upstream, for each item: the number of the last token, the only live one."""
    credit: tuple[int, ...]
    """For each item, 1 if an exchange is justified, -1 after an unjustified one."""
    wrong: tuple[int, ...]
    """Rejected logins with each version of the secret without a later fault."""
    faults: int
    """Faults that may still happen: they bound the exploration."""
    occasions: int
    good: int = 1
    """The versions of the secret that the upstream accepts now, a bit each."""
    secret: int = 0
    sent: int = 0
    """The last renewal token that was sent."""
    reported: int = 0
    """The last token of item 0 that was reported as rejected, and was the current one."""
    messages: tuple[Lambda, ...] = ()
    """Messages in flight of Lambdas that crashed or timed out."""


class HandOut(NamedTuple):
    """A caller got *token* of item *served*, having asked for *asked*."""

    asked: int
    served: int
    token: int
    stale: bool


class Send(NamedTuple):
    """A request went to the upstream."""

    item: int
    ask: int
    renewal: int
    """The renewal token in it, or 0."""


class End(NamedTuple):
    """A lease was ended, by its owner or by another."""

    own: bool


class Refusal(NamedTuple):
    """A caller got an error."""

    item: int
    code: str
    version: int
    """The version of the secret that the call or its exchange read."""


Event = HandOut | Send | End | Refusal

WORLD = -1
"""The actor of moves that no Lambda makes."""


class Move(NamedTuple):
    """A transition: its actor, its text, the next state and its events."""

    actor: int
    """The Lambda's place, or `WORLD`."""
    text: str
    state: State
    events: tuple[Event, ...] = ()
    fair: bool = True
    """Whether fair scheduling guarantees it: neither a fault nor a new call."""


def put(values: tuple[Value, ...], place: int, value: Value) -> tuple[Value, ...]:
    """Return *values* with *value* in *place*."""
    return (*values[:place], value, *values[place + 1 :])


def worth(state: State, name: int) -> State:
    """Return *state* with an exchange of item *name* justified; one satisfies all reasons."""
    return state._replace(credit=put(state.credit, name, 1))
