"""What goes wrong: steps that fail, services that are down, secrets that change."""

from random import Random

from tests.protocol.simulation.plans import (
    Change,
    ChangeKind,
    Fault,
    FaultKind,
    FlowName,
    Notice,
    Outage,
    Service,
    Visit,
)
from tests.protocol.simulation.vendors import VENDORS

KINDS: tuple[FaultKind, ...] = (
    *("crash", "crash after", "freeze", "freeze after", "refused", "lost", "late", "twice", "slow"),
    *("crash after", "lost", "freeze"),
)
CHANGES: tuple[ChangeKind, ...] = (
    *("good secret", "bad secret", "bad secret", "new password", "other defaults", "revoked"),
    *("other user", "other host"),
)


def faults_of(rng: Random, flow: FlowName, visits: tuple[Visit, ...]) -> list[Fault]:
    """Return what goes wrong: nothing, a few things, or many."""
    many = rng.choice((0, 1, 2, 2, 3, 4, 6))
    return [fault_of(rng, flow, rng.choice(visits).name) for _ in range(many)]


def fault_of(rng: Random, flow: FlowName, name: str) -> Fault:
    """Return one fault of a visit, or of a renewal that it starts."""
    name += rng.choice(("", "", "", ">1", ">1'"))
    kind = rng.choice(KINDS)
    step = rng.randint(1, VENDORS[flow].longest_run)
    if rng.random() < 0.05:
        step = 0
    return Fault(name, step, kind, seconds_of(rng, kind))


def seconds_of(rng: Random, kind: FaultKind) -> float:
    """Return how long a fault takes: some last longer than any lease."""
    longest = {"freeze": 60.0, "freeze after": 60.0, "late": 90.0, "slow": 25.0}.get(kind, 0.0)
    return longest * rng.random() ** 2


def outages_of(rng: Random, visits: tuple[Visit, ...]) -> list[Outage]:
    """Return when a service is down, if one is."""
    if rng.random() < 0.8:
        return []
    begins = rng.choice(visits).at - rng.uniform(0, 1)
    service: Service = rng.choice(("upstream", "upstream", "table", "key", "secrets"))
    return [Outage(service, begins, begins + 60 * rng.random() ** 2)]


def changes_of(rng: Random, ends: float) -> list[Change]:
    """Return what somebody does to the secret or at the vendor's, if anything."""
    if rng.random() < 0.6:
        return []
    return [change_of(rng, rng.uniform(-1, ends)) for _ in range(rng.randint(1, 3))]


def change_of(rng: Random, at: float) -> Change:
    """Return one change, and whether EventBridge tells of it."""
    kind = rng.choice(CHANGES)
    is_told = kind.endswith(("secret", "defaults", "user", "host"))
    return Change(max(0.0, at), kind, notices_of(rng) if is_told else ())


def notices_of(rng: Random) -> tuple[Notice, ...]:
    """Return when EventBridge tells of a new version: never, late, twice, in either way."""
    delays = rng.choice(((), (1.0,), (0.2, 3.0), (20.0,), (1.0, 1.5, 40.0)))
    return tuple(Notice(delay, rng.choice(("trail", "label"))) for delay in delays)
