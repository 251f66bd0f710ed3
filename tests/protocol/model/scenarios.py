"""The scenarios: each a part of the protocol that is small enough to be explored to its end."""

from tests.protocol.model.rules import Scenario

SCENARIOS = (
    Scenario(
        "session",
        "an upstream that keeps one session: renewal off the path, force, lost and late answers",
        faults=2,
        occasions=2,
        may=frozenset({"death", "loss", "blur", "outage", "defect", "end", "force"}),
    ),
    Scenario(
        "renewal",
        "a renewal token that may be used once",
        faults=2,
        occasions=2,
        may=frozenset({"death", "loss", "blur", "end"}),
        renewals=True,
    ),
    Scenario(
        "reports",
        "callers who report their token as rejected, in time or late",
        faults=1,
        occasions=3,
        may=frozenset({"death", "loss", "blur", "end", "report"}),
    ),
    Scenario(
        "gate",
        "a wrong password, twice, then a right one: two variants behind the gate",
        faults=1,
        occasions=2,
        may=frozenset({"death", "loss", "force", "rotation"}),
        items=3,
        callable=(1, 2),
        gate=True,
        good=(False, True),
    ),
    Scenario(
        "workspaces",
        "a token made from a token: two workspaces of one organization",
        faults=1,
        occasions=1,
        may=frozenset({"death", "end"}),
        items=3,
        callable=(1, 2),
        organization=True,
    ),
)


NEIGHBOURS = Scenario(
    "neighbours",
    "two connections; what happens if they hold the same account",
    faults=0,
    occasions=1,
    may=frozenset({"end"}),
    items=2,
    callable=(0, 1),
)


def scenario(name: str) -> Scenario:
    """Return the scenario of this *name*."""
    return next(one for one in (*SCENARIOS, NEIGHBOURS) if one.name == name)
