"""`connections`, `status` and `forget`: what there is, how it fares, and to start anew."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from token_broker_cli.ages import when, written
from token_broker_cli.desk import Desk
from token_broker_cli.screen import plain
from token_broker_cli.troubles import FAILURE, Trouble, trouble
from token_broker_cli.variants import Row, times
from token_broker_cli.vault import Vault

ASKED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Connection:
    """What is known of one: the broker's answer, or why there is none."""

    flow: str
    name: str
    status: dict[str, Any] | None = None
    trouble: Trouble | None = None

    def document(self) -> dict[str, Any]:
        """Return it for machines."""
        own = {"flow": self.flow, "connection": self.name}
        if self.trouble:
            return own | {"error": self.trouble.document()}
        return own | (self.status or {})


def connections(desk: Desk) -> int:
    """List the connections; return the exit code."""
    with desk.screen.waiting("asking the broker"), ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        found = [*pool.map(lambda name: asked(desk, *name), Vault(desk).connections())]
    if desk.screen.json:
        desk.screen.data({"connections": [one.document() for one in found]})
    elif found:
        desk.screen.show(table(found, int(time.time())))
    else:
        desk.screen.note("There are none yet: `token-broker connect` adds one.")
    return FAILURE if any(one.trouble for one in found) else 0


def asked(desk: Desk, flow: str, name: str) -> Connection:
    """Ask the broker for the state of a connection."""
    try:
        return Connection(flow, name, desk.call(flow, name, "status"))
    except Exception as error:  # noqa: BLE001 (one that fails must not hide the others)
        return Connection(flow, name, trouble=trouble(error).about(flow, name))


def table(found: list[Connection], now: int) -> Table:
    """Return a table of connections and, below each, its tokens."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    grid.add_column("Connection", no_wrap=True)
    grid.add_column("Token")
    grid.add_column("Ends in", no_wrap=True)
    grid.add_column("Gen", justify="right")
    grid.add_column("Failures", overflow="fold")
    for one in found:
        for cells in rows(one, now):
            grid.add_row(*cells)
    return grid


def rows(one: Connection, now: int) -> Iterator[list[Text | str]]:
    """Yield a line for the connection, and one for each token but the first."""
    title = Text.assemble((one.flow, "dim"), ("/", "dim"), (one.name, "bold"))
    if one.trouble:
        yield [title, Text("not known", "red"), "", "", Text(one.trouble.code, "red")]
        return
    told = [Row(variant, now) for variant in (one.status or {})["variants"]]
    if not told:
        yield [title, Text("none yet", "dim"), "", "", ""]
        return
    yield [title, "", "", "", ""]
    for row in told:
        yield [
            Text(f"  {row.name}"),
            Text(f"{row.bar} {row.state}", row.style),
            row.left_in_words,
            str(row.told["generation"]),
            Text(row.trouble, "red"),
        ]


def status(desk: Desk, flow: str, name: str) -> None:
    """Show all that may be known of a connection."""
    answer = desk.call(flow, name, "status")
    if desk.screen.json:
        desk.screen.data(answer)
        return
    now = int(time.time())
    head = Text.assemble((f"{flow}/", "dim"), (name, "bold"))
    head.append(f"  secret version {plain(answer['secret_version'])[:8]}", "dim")
    desk.screen.show(head)
    if not answer["variants"]:
        desk.screen.show(Text("No token is kept: the first call logs in.", "dim"))
    for variant in answer["variants"]:
        desk.screen.show("", details(Row(variant, now)))


def details(row: Row) -> Table:
    """Return one variant, a line for each thing."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", min_width=11)
    grid.add_column(overflow="fold")
    told = row.told
    grid.add_row("token", Text(row.name, "bold"))
    grid.add_row("state", Text(f"{row.bar} {row.state}", row.style))
    for label, moment in (
        ("made", "issued_at"),
        ("renewal", "refresh_after"),
        ("end", "expires_at"),
    ):
        if told[moment]:
            grid.add_row(label, f"{written(told[moment])}, {when(told[moment], row.now)}")
    grid.add_row("generation", f"{told['generation']}, fingerprint {told['fingerprint'] or '-'}")
    for key, value in (told.get("context") or {}).items():
        grid.add_row(plain(key), Text(plain("-" if value is None else value)))
    for label, text in troubles(row):
        grid.add_row(label, Text(text, "red"))
    if told["renewing"]:
        grid.add_row("renewing", "now")
    return grid


def troubles(row: Row) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a variant."""
    failure = row.told["failure"]
    if failure:
        since = when(failure["since"], row.now)
        yield (
            "failure",
            ", ".join(filter(None, (failure["code"], times(failure["count"]), since))),
        )
        if not row.told["latched"]:
            yield "next try", when(failure["retry_at"], row.now)
    if row.told["latched"]:
        yield "latched", "this version of the secret is not tried again"
