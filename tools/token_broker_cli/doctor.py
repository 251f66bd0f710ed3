"""`doctor`: checks everything between the operator and a token, and gives advice."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

from rich.table import Table
from rich.text import Text

from token_broker_cli import checks
from token_broker_cli.checks import Finding, Level, findings, unseen
from token_broker_cli.context import Context
from token_broker_cli.errors import FAILURE
from token_broker_cli.screen import plain

ORDER = (Level.FAILURE, Level.WARNING, Level.OK)
MOST_NAMES = 3
MOST_GROUPS = 30
LABEL = 16
"""Columns for what was looked at: the name of a connection may be long."""

MARKS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.FAILURE: ("✗", "red")}


def doctor(context: Context) -> int:
    """Check everything; return the exit code."""
    with context.screen.waiting("examining"):
        found = [*examined(context)]
    failures = sum(one.level is Level.FAILURE for one in found)
    groups = grouped(found)
    if context.screen.json:
        context.screen.data({"ok": not failures, "findings": [asdict(one) for one in found]})
    elif context.screen.is_terminal:
        context.screen.show(table(groups), "", summary(found))
    else:
        rows = [(str(one.level), one.check, one.says, one.do) for one in groups]
        context.screen.rows([*rows, (summary(found).plain,)])
    return FAILURE if failures else 0


def examined(context: Context) -> Iterator[Finding]:
    """Yield the findings of all checks, from the operator to the secrets."""
    for name, check in (
        ("settings", checks.settings),
        ("identity", checks.identity),
        ("region", checks.region),
    ):
        yield from findings(name, partial(check, context))
    reached = [*findings("api", partial(checks.reach, context))]
    yield from reached
    if all(one.level is not Level.FAILURE for one in reached):
        yield from findings("functions", partial(checks.signature, context))
    for name, look, permission in (
        ("table", checks.table, "dynamodb:DescribeTable"),
        ("ttl", checks.ttl, "dynamodb:DescribeTimeToLive"),
        ("key", checks.key, "kms:DescribeKey"),
        ("secrets", checks.secrets, "secretsmanager:ListSecrets"),
    ):
        yield from unseen(name, partial(look, context), permission)


def grouped(found: list[Finding]) -> list[Finding]:
    """Return the worst findings first, and equal ones of many connections as one."""
    same: dict[tuple[str, ...], list[Finding]] = {}
    for one in found:
        about = one.check if "/" not in one.check else ""
        same.setdefault((str(one.level), about, one.says), []).append(one)
    groups = [together(group) for group in same.values()]
    groups.sort(key=lambda one: ORDER.index(one.level))
    return shortened(groups)


def together(group: list[Finding]) -> Finding:
    """Return one finding for a *group* of equal ones."""
    first = group[0]
    if len(group) == 1:
        return first
    names = ", ".join(one.check for one in group[:MOST_NAMES])
    more = f" and {len(group) - MOST_NAMES} more" if len(group) > MOST_NAMES else ""
    return replace(first, check="secrets", says=f"{first.says}: {names}{more}")


def shortened(groups: list[Finding]) -> list[Finding]:
    """Return the first *groups*, and a line for the others; JSON has all."""
    left = len(groups) - MOST_GROUPS
    if left <= 1:
        return groups
    rest = Finding("and more", groups[MOST_GROUPS].level, f"{left} others", "See them: --json")
    return [*groups[:MOST_GROUPS], rest]


def table(found: list[Finding]) -> Table:
    """Return a row for each finding, with its advice below."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column(overflow="fold", max_width=LABEL)
    grid.add_column(overflow="fold")
    for one in found:
        mark, style = MARKS[one.level]
        says = Text(plain(one.says), "" if one.level is Level.OK else style)
        if one.do:
            says.append(f"\n→ {one.do}", "cyan")
        grid.add_row(Text(mark, style), Text(one.check, "bold"), says)
    return grid


def summary(found: list[Finding]) -> Text:
    """Return the result in one line."""
    failures = sum(one.level is Level.FAILURE for one in found)
    warnings = sum(one.level is Level.WARNING for one in found)
    if not failures and not warnings:
        return Text("All is well.", "bold green")
    parts = [
        f"{count} {word}{'s' * (count != 1)}"
        for count, word in ((failures, "failure"), (warnings, "warning"))
        if count
    ]
    return Text(" and ".join(parts) + ".", "bold red" if failures else "bold yellow")
