"""What the model remembers of the table, the upstream and the Lambdas: small tuples of numbers.

Tuples with names, not dataclasses: they are hashed and compared a million times. Nothing has a
clock; time is what may happen next: a token ages, a lease grows late, then it is over.
"""

from typing import Any, NamedTuple, TypeVar


class Age:
    """Of a token: less than `min_ttl` left, due for renewal, neither."""

    DEAD, AGING, FRESH = range(3)


class Lease:
    """None; with time for one more request, or without; run out and never ended."""

    FREE, EARLY, LATE, OVER = range(4)


class Renewal:
    """The renewal token of an item."""

    ABSENT, READY, IN_USE = range(3)


class Failure:
    """The last one of an item: none, before its `retry_at`, after it."""

    CALM, PATIENT, DUE = range(3)


class Stage:
    """Where a Lambda is. From `HOLDING` on it has a lease."""

    IDLE, WAITING, MARKING, ACQUIRING, SETTLING_LEASE = range(5)
    HOLDING, GATING, CHECKED, SENT, JUDGING, COMMITTING, SETTLING = range(5, 12)


class Ask:
    """Why it was called; `RENEWING` is the background renewal."""

    PLAIN, FORCED, REPORTING, RENEWING = range(4)


class Result:
    """How an exchange ends without a token (a token is its number, from 1)."""

    REFUSED, DOWN, UNANSWERED, REJECTED, LATCHED, SPOILT, DENIED = range(-7, 0)


Value = TypeVar("Value")
Named = TypeVar("Named", bound=tuple[Any, ...])


def replaceable(cls: type[Named]) -> type[Named]:
    """Give a class of named tuples a `_replace` that takes half the time of its own."""
    places = {name: place for place, name in enumerate(cls.__annotations__)}

    def replaced(self: Named, **changes: object) -> Named:
        values = list(self)
        for name, value in changes.items():
            values[places[name]] = value
        return tuple.__new__(cls, values)

    cls._replace = replaced  # type: ignore[attr-defined]
    return cls


@replaceable
class Item(NamedTuple):
    """One item of the table."""

    token: int = 0
    age: int = Age.DEAD
    generation: int = 2
    fence: int = 1
    """Both are as here again after each move: only how they have changed matters (`symmetry`)."""
    lease: int = Lease.FREE
    renewal: int = Renewal.ABSENT
    rejected: int = 0
    failure: int = Failure.CALM
    strict: int = 0
    """Whether that was of a login: then force waits for its `retry_at` as well."""
    blames: int = -1
    """The version of the secret that it is about; -1 is any."""
    latch: int = 0
    """The versions of the secret that were rejected, a bit each."""
    version: int = -1
    """The version of the secret that the token was made with."""
    accepted: int = -1
    """On the gate: the version that was accepted."""
    suspect: int = -1
    """On the gate: an accepted version that was rejected once since."""
    suspects: int = 0
    """On the gate: the items that a version was refused for that was never accepted, a bit each."""
    early: int = 0
    """Whether that was less than a minute ago."""


class Outer(NamedTuple):
    """What a Lambda will go on with when it has the organization's token."""

    item: int
    ask: int
    seen: int
    fence: int
    begun: int
    over: int


@replaceable
class Lambda(NamedTuple):
    """One Lambda, which is in at most one call; or, as a message, what a dead one sent."""

    step: int = Stage.IDLE
    item: int = 0
    ask: int = Ask.PLAIN
    seen: int = 0
    """The generation that was read."""
    fence: int = 0
    """The fence that was read, and from `HOLDING` on its own; -1 is one of the past."""
    using: int = 0
    """The renewal token, or the organization's token, that the exchange spends; 0 is a login."""
    version: int = 0
    """The secret's version that was read."""
    gate: int = 0
    """The gate's fence that was read, and from `CHECKED` on its own; 0 without the gate."""
    result: int = 0
    begun: int = 0
    """Requests that this exchange has sent."""
    wrote: int = 0
    """While settling: whether the write was done. The Lambda does not know."""
    previous: int = 0
    """Whether the version before is used, as the current one was rejected."""
    login: int = 0
    """Whether its last request was a login."""
    late: int = 0
    """Whether the request was sent with too little time left for its answer."""
    over: int = 0
    """Whether its lease was taken from somebody who never ended it."""
    kept: int = 0
    """The token that its last call got, which it may report as rejected."""
    outer: "Outer | tuple[()]" = ()


@replaceable
class State(NamedTuple):
    """All of it. The counts of history (`sent`, `credit`, `wrong`) are there for the invariants."""

    lambdas: tuple[Lambda, ...]
    items: tuple[Item, ...]
    made: tuple[int, ...]
    """Upstream, for each item: the number of the last token, which alone is live."""
    credit: tuple[int, ...]
    """Whether each item is worth an exchange: 1 if so, -1 after one too many."""
    wrong: tuple[int, ...]
    """Logins with each version of the secret that were rejected, and nothing went wrong after."""
    faults: int
    """Faults that may still happen: they bound the exploration."""
    occasions: int
    good: int = 1
    """Which versions of the secret the upstream accepts now, a bit each."""
    secret: int = 0
    sent: int = 0
    """The last renewal token that was sent."""
    reported: int = 0
    """The last token of item 0 that was reported as rejected, and was the current one."""
    messages: tuple[Lambda, ...] = ()
    """What dead or impatient Lambdas have sent, and has not arrived yet."""


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
    """A lease was ended, and it was (or was not) the writer's."""

    own: bool


class Refusal(NamedTuple):
    """A caller got an error."""

    item: int
    code: str
    version: int
    """The secret's, when the call or its exchange looked."""


Event = HandOut | Send | End | Refusal


@replaceable
class Move(NamedTuple):
    """One thing that may happen: who does what, and what comes of it."""

    actor: int
    """The Lambda's place, or -1: the world's doing."""
    text: str
    state: State
    events: tuple[Event, ...] = ()
    fair: bool = True
    """Whether it happens at last if it can: neither a fault nor a new call."""


def put(values: tuple[Value, ...], place: int, value: Value) -> tuple[Value, ...]:
    """Return *values* with *value* in *place*."""
    return (*values[:place], value, *values[place + 1 :])


def worth(state: State, name: int) -> State:
    """Return *state* with item *name* worth an exchange: one satisfies all reasons there are."""
    return state._replace(credit=put(state.credit, name, 1))
