"""The mutants: the protocol without one guard, the world without one promise, and older locks."""

from dataclasses import dataclass, replace

from tests.protocol.model.rules import Guards, Promises, Rules, Scenario
from tests.protocol.model.scenarios import scenario


@dataclass(frozen=True, slots=True)
class Mutant:
    """A protocol that lacks something, and the invariants that break of it, the nearest first."""

    name: str
    where: str
    """The scenario that shows it."""
    without: tuple[str, ...]
    """Fields of `Guards`, or of `Promises`."""
    breaks: tuple[str, ...]
    """Empty: nothing breaks, see *remark*."""
    remark: str = ""
    lambdas: int = 2

    @property
    def rules(self) -> Rules:
        """Return the mutant's rules."""
        guards = {name: False for name in self.without if name in Guards.__slots__}
        promises = {name: False for name in self.without if name in Promises.__slots__}
        return Rules(self.scenario, replace(Guards(), **guards), replace(Promises(), **promises))

    @property
    def scenario(self) -> Scenario:
        """Return the scenario with as many Lambdas as the mutant needs."""
        return replace(scenario(self.where), lambdas=self.lambdas)


OLDER = (
    Mutant(
        "lock deleted by key",
        "session",
        ("fence", "owner", "own_end", "swap_fence", "swap_generation", "bound", "kill"),
        ("I1", "I2", "I3", "I4"),
        "a lease that whoever is done deletes, whose ever it is by then",
    ),
    Mutant(
        "lock with an owner check",
        "session",
        ("fence", "owner", "swap_fence", "swap_generation", "bound", "kill"),
        ("I1", "I2", "I4"),
        "a lease that its owner alone deletes, and a token that anyone writes",
    ),
    Mutant("fencing alone", "session", ("bound", "kill"), ("I1", "I4"), "no bound on the holder"),
    Mutant("bounding alone", "session", ("fence", "owner"), ("I2",), "no condition on commit"),
)
"""What protocol.md knows of earlier explorations."""

GUARDS = (
    Mutant("free", "session", ("free",), ("I1",)),
    Mutant("swap", "session", ("swap_fence", "swap_generation"), ("I5",)),
    Mutant("swap_fence", "gate", ("swap_fence",), ("I7",)),
    Mutant("swap_generation", "session", ("swap_generation",), ("I2", "I5")),
    Mutant(
        "fence",
        "session",
        ("fence",),
        (),
        "commit only if the fence is one's own: implied by the owner, who is new with each lease",
        lambdas=3,
    ),
    Mutant("owner", "reports", ("owner",), ("I9",)),
    Mutant("fence, owner", "session", ("fence", "owner"), ("I2",)),
    Mutant("fence, owner, own_end", "session", ("fence", "owner", "own_end"), ("I3",)),
    Mutant("owner_read", "session", ("owner_read",), ("I1",)),
    Mutant("settle", "session", ("settle",), ("I1",)),
    Mutant("bound", "session", ("bound",), ("I1", "I4")),
    Mutant("kill", "session", ("kill",), ("I1", "I4")),
    Mutant("takeover", "session", ("takeover",), ("I10", "L1")),
    Mutant("in_use", "renewal", ("in_use",), ("I6",)),
    Mutant("doubt", "session", ("doubt",), ("I4", "I10")),
    Mutant("put_back", "session", ("put_back",), ("I4",)),
    Mutant("stale", "session", ("stale",), ("I4",)),
    Mutant("spoilt", "session", ("spoilt",), ("I4",)),
    Mutant("backoff", "session", ("backoff",), ("I5",)),
    Mutant("latch", "gate", ("latch",), ("I7",)),
    Mutant("latch_forced", "gate", ("latch_forced",), ("I7",)),
    Mutant("latch_version", "gate", ("latch_version",), ("L1",)),
    Mutant("latch_sent", "gate", ("latch_sent",), ("L1",)),
    Mutant("gate_first", "gate", ("gate_first",), ("I7",)),
    Mutant("suspect", "page", ("suspect",), ("L1",)),
    Mutant("second_look", "expelled", ("second_look",), ("I7",)),
    Mutant("own_latch", "parameters", ("own_latch",), ("I7",)),
    Mutant("strict", "session", ("strict",), ("I5",)),
    Mutant("verdict", "gate", ("verdict",), ("I7",)),
    Mutant("compare", "reports", ("compare",), ("I9",)),
    Mutant("compare_write", "reports", ("compare_write",), ("I9",)),
    Mutant("generation_wait", "session", ("generation_wait",), ("I5",)),
    Mutant("commit_first", "session", ("commit_first",), ("I5",)),
    Mutant("ask", "workspaces", ("ask",), ("I1",)),
    Mutant("min_ttl", "session", ("min_ttl",), ("I8",)),
    Mutant("key", "workspaces", ("key",), ("I8",)),
    Mutant("loser", "session", ("loser",), ("L1",)),
)

PROMISES = (
    Mutant("in_time", "session", ("in_time",), ("I1", "I4")),
    Mutant("prompt", "session", ("prompt",), ("I1", "I4")),
    Mutant("alone", "neighbours", ("alone",), ("I4",)),
)
"""What the protocol cannot enforce. These are what docs/protocol.md does not promise."""

MUTANTS = (*OLDER, *GUARDS, *PROMISES)
