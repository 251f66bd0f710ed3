"""The mutants: the protocol without one guard, the world without one promise, and older locks."""

from dataclasses import dataclass, fields, replace

from tests.protocol.model.rules import RULES, Guards, Promises, Rules, Scenario
from tests.protocol.model.scenarios import scenario


@dataclass(frozen=True, slots=True)
class Mutant:
    """A protocol without some guards, and the invariants that it breaks, shortest trace first."""

    name: str
    where: str
    """The scenario that shows it."""
    without: tuple[str, ...]
    """Fields of `Guards`, or of `Promises`."""
    breaks: tuple[str, ...]
    """Empty: nothing breaks, as another guard implies it."""
    remark: str = ""
    lambdas: int = 2

    @property
    def rules(self) -> Rules:
        guards = {name: False for name in self.without if name in Guards.__slots__}
        promises = {name: False for name in self.without if name in Promises.__slots__}
        return Rules(self.scenario, replace(Guards(), **guards), replace(Promises(), **promises))

    @property
    def scenario(self) -> Scenario:
        """Return the scenario with as many Lambdas as the mutant needs."""
        return replace(scenario(self.where), lambdas=self.lambdas)


def of(name: str) -> Mutant:
    """Return the mutant that lacks one guard or promise."""
    rule = RULES[name]
    return Mutant(name, rule["where"], (name,), rule["breaks"], lambdas=rule["lambdas"])


OLDER = (
    Mutant(
        "lock deleted by key",
        "session",
        ("fence", "owner", "own_end", "swap_fence", "swap_generation", "bound", "kill"),
        ("I1", "I2", "I3", "I4"),
        "a lease that a finished holder deletes without a check of its owner",
    ),
    Mutant(
        "lock with an owner check",
        "session",
        ("fence", "owner", "swap_fence", "swap_generation", "bound", "kill"),
        ("I1", "I2", "I4"),
        "a lease that only its owner deletes, and a token that any Lambda writes",
    ),
    Mutant("fencing alone", "session", ("bound", "kill"), ("I1", "I4"), "no bound on the holder"),
    Mutant("bounding alone", "session", ("fence", "owner"), ("I2",), "no condition on commit"),
)
"""Earlier lock designs that docs/protocol.md mentions."""

GUARDS: tuple[Mutant, ...] = (
    *(of(one.name) for one in fields(Guards) if RULES[one.name]["where"]),
    Mutant("swap", "session", ("swap_fence", "swap_generation"), ("I5",)),
    Mutant("fence, owner", "session", ("fence", "owner"), ("I2",)),
    Mutant("fence, owner, own_end", "session", ("fence", "owner", "own_end"), ("I3",)),
)
PROMISES = tuple(of(one.name) for one in fields(Promises))
"""Assumptions that the protocol cannot enforce; docs/protocol.md lists them as not promised."""

MUTANTS = (*OLDER, *GUARDS, *PROMISES)
