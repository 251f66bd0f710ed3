"""What goes wrong: steps that fail, services that are down, secrets that change."""

from collections.abc import Mapping
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
from tests.protocol.simulation.vendors import GENERIC

LONGEST_RUN_STEPS: Mapping[FlowName, int] = {
    "vendorlink": 10,
    "vntana": 36,
    "editor": 14,
    **dict.fromkeys(GENERIC, 20),
}
"""About as many steps as an exchange takes, from the first look to the answer."""

KINDS: tuple[FaultKind, ...] = (
    *("crash", "crash after", "freeze", "freeze after", "refused", "lost", "late", "twice", "slow"),
    *("crash after", "lost", "freeze"),
)
CHANGES: tuple[ChangeKind, ...] = (
    *("good secret", "bad secret", "bad secret", "new password", "other defaults", "revoked"),
    *("other user", "other host"),
)


def faults_of(dice: Random, flow: FlowName, visits: tuple[Visit, ...]) -> list[Fault]:
    """Return what goes wrong: nothing, a few things, or many."""
    many = dice.choice((0, 1, 2, 2, 3, 4, 6))
    return [fault_of(dice, flow, dice.choice(visits).name) for _ in range(many)]


def fault_of(dice: Random, flow: FlowName, name: str) -> Fault:
    """Return one fault of a visit, or of a renewal that it starts."""
    name += dice.choice(("", "", "", ">1", ">1'"))
    kind = dice.choice(KINDS)
    step = dice.randint(1, LONGEST_RUN_STEPS[flow])
    if dice.random() < 0.05:
        step = 0
    return Fault(name, step, kind, seconds_of(dice, kind))


def seconds_of(dice: Random, kind: FaultKind) -> float:
    """Return how long a fault takes: some last longer than any lease."""
    longest = {"freeze": 60.0, "freeze after": 60.0, "late": 90.0, "slow": 25.0}.get(kind, 0.0)
    return longest * dice.random() ** 2


def outages_of(dice: Random, visits: tuple[Visit, ...]) -> list[Outage]:
    """Return when a service is down, if one is."""
    if dice.random() < 0.8:
        return []
    begins = dice.choice(visits).at - dice.uniform(0, 1)
    service: Service = dice.choice(("upstream", "upstream", "table", "key", "secrets"))
    return [Outage(service, begins, begins + 60 * dice.random() ** 2)]


def changes_of(dice: Random, ends: float) -> list[Change]:
    """Return what somebody does to the secret or at the vendor's, if anything."""
    if dice.random() < 0.6:
        return []
    return [change_of(dice, dice.uniform(-1, ends)) for _ in range(dice.randint(1, 3))]


def change_of(dice: Random, at: float) -> Change:
    """Return one change, and whether EventBridge tells of it."""
    kind = dice.choice(CHANGES)
    is_told = kind.endswith(("secret", "defaults", "user", "host"))
    return Change(max(0.0, at), kind, notices_of(dice) if is_told else ())


def notices_of(dice: Random) -> tuple[Notice, ...]:
    """Return when EventBridge tells of a new version: never, late, twice, in either way."""
    delays = dice.choice(((), (1.0,), (0.2, 3.0), (20.0,), (1.0, 1.5, 40.0)))
    return tuple(Notice(delay, dice.choice(("trail", "label"))) for delay in delays)
