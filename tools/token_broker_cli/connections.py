"""`connections`: all there are, and how their tokens fare. What is in trouble comes first."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from token_broker_cli.desk import Desk
from token_broker_cli.parallel import at_once
from token_broker_cli.screen import NARROW
from token_broker_cli.troubles import FAILURE, Trouble, trouble
from token_broker_cli.variants import Row
from token_broker_cli.vault import Vault

MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Connection:
    """What is known of one: the broker's answer, or why there is none."""

    flow: str
    name: str
    status: dict[str, Any] | None = None
    trouble: Trouble | None = None

    @property
    def label(self) -> str:
        """What it is called."""
        return f"{self.flow}/{self.name}"

    @property
    def held(self) -> str:
        """Why it is held, where it is."""
        held = (self.status or {}).get("held")
        return f"held: {held['reason']}" if held else ""

    @property
    def urgency(self) -> int:
        """How soon it should be looked at: 0 is first, 3 is well."""
        if self.trouble:
            return 0
        variants = (self.status or {})["variants"]
        if self.held or any(variant["latched"] for variant in variants):
            return 1
        return 2 if any(variant["failure"] for variant in variants) else 3

    def rows(self, now: int) -> list[Row]:
        """Return its tokens, those in trouble first."""
        rows = [Row(variant, now) for variant in (self.status or {}).get("variants", ())]
        return sorted(rows, key=lambda row: (not row.told["latched"], not row.told["failure"]))

    def document(self) -> dict[str, Any]:
        """Return it for machines."""
        own = {"flow": self.flow, "connection": self.name}
        if self.trouble:
            return own | {"error": self.trouble.document()}
        return own | (self.status or {})


def connections(desk: Desk) -> int:
    """List the connections; return the exit code."""
    with desk.screen.waiting("asking the broker"):
        names = Vault(desk).connections()
        if names:
            desk.gateway  # noqa: B018 (made once, before threads would each make it)
        found = at_once(lambda name: asked(desk, *name), names)
    found.sort(key=lambda one: one.urgency)
    show(desk, found, int(time.time()))
    return FAILURE if any(one.trouble for one in found) else 0


def asked(desk: Desk, flow: str, name: str) -> Connection:
    """Ask the broker for the state of a connection."""
    try:
        return Connection(flow, name, desk.call(flow, name, "status"))
    except Exception as error:  # noqa: BLE001 (one that fails must not hide the others)
        return Connection(flow, name, trouble=trouble(error).about(flow, name))


def show(desk: Desk, found: list[Connection], now: int) -> None:
    """Show what was found as who reads it wants it."""
    screen = desk.screen
    if screen.json:
        screen.data({"connections": [one.document() for one in found]})
    elif not found:
        screen.note("There are none yet: `token-broker connect` adds one.")
    elif not screen.is_watched:
        screen.rows(row for one in found for row in lines(one, now))
    else:
        made = table(found, now) if screen.width >= NARROW else blocks(found, now)
        screen.show(*made, "", verdict(found))


def lines(one: Connection, now: int) -> Iterator[tuple[str, ...]]:
    """Yield a line of the same six parts for each token, or for what there is instead of one."""
    if one.trouble:
        yield one.label, "", "not known", "", "", one.trouble.code
    elif not (rows := one.rows(now)):
        yield one.label, "", "none yet", "", "", one.held
    else:
        for row in rows:
            wrong = ", ".join(filter(None, (row.trouble, one.held)))
            yield one.label, row.name, row.words, row.left_in_words, row.generation, wrong


def table(found: list[Connection], now: int) -> list[Table]:
    """Return a table of connections and, below each, its tokens."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    # What wraps gives way, the widest first: no name takes the room of what is said of it.
    grid.add_column("Connection", overflow="fold")
    grid.add_column("Token", no_wrap=True)
    grid.add_column("Ends in", no_wrap=True, min_width=11)
    grid.add_column("Gen", justify="right", no_wrap=True)
    grid.add_column("Failures", overflow="fold")
    for one in found:
        for cells in cells_of(one, now):
            grid.add_row(*cells)
    return [grid]


def cells_of(one: Connection, now: int) -> Iterator[list[Text | str]]:
    """Yield a row for the connection, and one for each of its tokens."""
    if one.trouble:
        yield [title(one), Text("not known", "red"), "", "", Text(one.trouble.code, "red")]
        return
    rows = one.rows(now)
    none = "" if rows else Text("none yet", "dim")
    yield [title(one), none, "", "", Text(one.held, "red")]
    for row in rows:
        bar = Text(f"{row.bar} {row.words}", row.style)
        name = Padding(Text(row.name, overflow="fold"), (0, 0, 0, 2))
        yield [name, bar, row.left_in_words, row.generation, Text(row.trouble, "red")]  # type: ignore[list-item]  # a table takes any renderable


def blocks(found: list[Connection], now: int) -> Iterator[Text | Padding]:
    """Yield one thing below the other, for a screen that has no room beside."""
    for one in found:
        yield title(one)
        for _, name, words, left, generation, wrong in lines(one, now):
            row = [f"{name}\n" if name else "", words]
            row += [f", {left}, generation {generation}"] if generation else []
            style = "red" if wrong else ""
            yield Padding(Text("".join(row) + (f"\n{wrong}" if wrong else ""), style), (0, 0, 0, 2))


def title(one: Connection) -> Text:
    """Return the connection's name, in red if it should be looked at."""
    style = "bold" if one.urgency > 2 else "bold red"  # noqa: PLR2004 (it is well)
    parts = ((one.flow, "dim"), ("/", "dim"), (one.name, style))
    return Text.assemble(*parts, overflow="fold")


def verdict(found: list[Connection]) -> Text:
    """Say how many should be looked at, and which."""
    bad = [one.label for one in found if one.urgency < 3]  # noqa: PLR2004 (it is well)
    if not bad:
        return Text("All of them fare well.", "green")
    more = f" and {len(bad) - MOST_NAMES} more" if len(bad) > MOST_NAMES else ""
    names = ", ".join(bad[:MOST_NAMES])
    verb = "needs" if len(bad) == 1 else "need"
    what = f"{len(bad)} of {len(found)} connections {verb} a look: {names}{more}"
    return Text(what, "bold red", overflow="fold")
