"""The scenarios: parts of the protocol that are small enough to explore completely."""

from typing import Any

from tests.protocol.model.rules import Scenario

GATED: Any = {"items": 3, "callable": (1, 2), "gate": True}
"""Two variants behind the gate."""

SCENARIOS = (
    Scenario(
        "session",
        "an upstream that keeps one session: renewal off the path, force, lost and late answers",
        (2, 2),
        {"death", "loss", "blur", "outage", "defect", "unkept", "end", "force"},
    ),
    Scenario(
        "renewal",
        "a renewal token that may be used once",
        (2, 2),
        {"death", "loss", "blur", "end"},
        renewals=True,
    ),
    Scenario(
        "reports",
        "callers who report their token as rejected, in time or late",
        (1, 3),
        {"death", "loss", "blur", "end", "report"},
    ),
    Scenario(
        "gate",
        "a wrong password, twice, then a right one: two variants behind the gate",
        (1, 2),
        {"death", "loss", "force", "rotation"},
        lambdas=3,
        **GATED,
        good=(False, True),
    ),
    Scenario(
        "page",
        "a password that is right, and a proxy that rejects it once",
        (1, 2),
        {"page", "force"},
        lambdas=3,
        **GATED,
        accepted=0,
        wrong=2,
    ),
    Scenario(
        "expelled",
        "a password that was accepted, and is wrong from some time on",
        (1, 2),
        {"loss", "force", "expel"},
        lambdas=2,
        **GATED,
        accepted=0,
        wrong=2,
    ),
    Scenario(
        "parameters",
        "rejections that may be about the variant: a version is tried for two of them",
        (1, 2),
        {"death", "force", "rotation"},
        lambdas=2,
        **GATED,
        good=(False, True),
        suspects=2,
        wrong=2,
    ),
    Scenario(
        "previous",
        "a right password, then a wrong one: the version before bridges the time",
        (1, 2),
        {"death", "rotation", "force", "previous"},
        lambdas=3,
        **GATED,
        good=(True, False),
    ),
    Scenario(
        "single",
        "the same with one variant, whose own item is the gate; an exchange of two requests",
        (1, 2),
        {"death", "loss", "end", "rotation", "expel", "previous", "forget"},
        lambdas=3,
        renewals=True,
        good=(True, False, True),
        steps=2,
        wrong=2,
    ),
    Scenario(
        "workspaces",
        "a token made from a token: two workspaces of one organization",
        (1, 1),
        {"death", "end"},
        items=3,
        callable=(1, 2),
        organization=True,
    ),
)


NEIGHBOURS = Scenario(
    "neighbours",
    "two connections; what happens if they hold the same account",
    (0, 1),
    {"end"},
    items=2,
    callable=(0, 1),
)


def scenario(name: str) -> Scenario:
    return next(one for one in (*SCENARIOS, NEIGHBOURS) if one.name == name)
