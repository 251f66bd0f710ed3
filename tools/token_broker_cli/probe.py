"""`probe`: the vendor's real behaviour, and the options of the secret that it requires."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from token_broker import flows
from token_broker.flows import Flow
from token_broker.probe import prober_of
from token_broker.probing import Budget
from token_broker_cli.context import Context
from token_broker_cli.errors import FAILURE, CommandError
from token_broker_cli.questions import confirm
from token_broker_cli.screen import NARROW, Screen, plain
from token_broker_cli.secrets import Secrets

Report = Mapping[str, Any]
Finding = Mapping[str, Any]


def probe(
    context: Context,
    flow: str,
    name: str,
    body: Mapping[str, Any],
    *,
    sure: bool,
    write: bool,
    as_modes: bool,
) -> int:
    """Have the broker probe the vendor, and store the options; return the exit code."""
    typed = flows.every()[flow]
    what = f"{flow}/{name}: {within(prober_of(typed).budget)}; its token is replaced"
    if not sure:
        confirm(f"Probe {what} ({context.where})?")
    context.announce(f"probing {what}")
    context.changes = True
    with context.screen.waiting("the broker asks the vendor"):
        report = context.call(flow, name, "probe", **body)
    if as_modes:
        context.screen.data({"modes": report["modes"]})  # as the fake's control endpoint takes it
        show_problem(context.screen, report)
        return 0 if report["works"] else FAILURE
    changes = report["options"] if write else {}
    if not context.screen.json:
        show(context, report)
    if changes:
        if not sure:
            confirm(f"Write {written(changes)} into the secret, as a new version?")
        store(context, typed, name, changes)
    if context.screen.json:
        context.screen.data(dict(report) | {"written": bool(changes)} | context.target)
    else:
        made = f"{written(changes)}; the broker makes its tokens anew" if changes else "nothing"
        context.screen.note(f"written: {made} ({context.where})", "")
    return 0 if report["works"] else FAILURE


def store(context: Context, flow: Flow, name: str, changes: Mapping[str, Any]) -> None:
    """Write *changes* into the secret's options, unless somebody changed it meanwhile."""
    secrets = Secrets(context)
    stored = secrets.read(flow.name, name)
    secrets.require_same_account(flow.name, name, stored.version if stored else None)
    if stored is None:
        raise CommandError("unknown_connection", "the connection was deleted meanwhile")
    secrets.change(flow.name, name, with_options(flow, stored.document(), changes), stored)


def with_options(flow: Flow, document: Any, changes: Mapping[str, Any]) -> Any:
    """Return a secret's *document* with *changes* of its options; a default is left out.

    Without changes it stays as it is: a flow may have no options.
    """
    if not changes:
        return document
    defaults = flow.vendor.parse({**document, "options": {}})
    given = {**document.get("options", {}), **changes}
    options = {
        name: value
        for name, value in given.items()
        if name not in changes or value != getattr(defaults, name)
    }
    rest = {key: value for key, value in document.items() if key != "options"}
    return rest | ({"options": options} if options else {})


def within(budget: Budget) -> str:
    """Return a budget as text."""
    return f"at most {budget.requests} requests, {budget.logins} of them with the credentials"


def written(options: Mapping[str, Any]) -> str:
    """Return options as text."""
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in options.items())


def show(context: Context, report: Report) -> None:
    """Show the findings: as lines, as a table, or below each other on a narrow screen."""
    screen = context.screen
    if not screen.is_terminal:
        screen.rows(cells(one) for one in report["findings"])
    elif screen.width >= NARROW:
        screen.show(table(report))
    else:
        screen.show(*("\n".join(filter(None, cells(one))) + "\n" for one in report["findings"]))
    sent = report["sent"]
    credentials = f"{sent['logins']} of them with the credentials"
    screen.note(f"sent: {sent['requests']} requests, {credentials}")
    show_problem(screen, report)


def show_problem(screen: Screen, report: Report) -> None:
    """Show why there is no new token, if so."""
    problem = report["problem"]
    if problem:
        screen.note(f"{problem['code']}: {problem['detail']}", "bold red")
        words = problem.get("upstream_message")
        if words:
            screen.note(f"the vendor's words: {words}", "red")


def cells(finding: Finding) -> tuple[str, ...]:
    """Return a finding's question, the documented and the observed answer, and the option."""
    option = finding["option"]
    seen = finding["seen"] or "not asked"
    return finding["asks"], finding["documents"], plain(seen), written(option) if option else ""


def table(report: Report) -> Any:
    """Return the findings as a table."""
    from rich.table import Table  # noqa: PLC0415 (slow, and `--help` does without)
    from rich.text import Text  # noqa: PLC0415 (same)

    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 1, 0))
    for title in ("Question", "Documents", "Seen", "Option"):
        grid.add_column(title, overflow="fold", ratio=1)
    for *parts, option in map(cells, report["findings"]):
        grid.add_row(*map(Text, parts), Text(option, "bold"))
    return grid


def follows(report: Report) -> Iterator[str]:
    """Yield a line for each option that is not set yet, for `connect`."""
    findings = {finding["question"]: finding for finding in report["findings"]}
    for name, value in report["options"].items():
        yield f"option {written({name: value})}: {findings[name]['asks']} {findings[name]['seen']}"
