"""`connections`: all connections and their tokens' states, those that need attention first."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from token_broker_cli.context import Context, concurrently
from token_broker_cli.errors import FAILURE, CommandError, command_error
from token_broker_cli.screen import NARROW, plain
from token_broker_cli.secrets import Secrets
from token_broker_cli.variants import VariantView

MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection, with the broker's status or the error instead."""

    flow: str
    name: str
    status: dict[str, Any] | None = None
    error: CommandError | None = None

    @property
    def label(self) -> str:
        """Flow and name, as shown."""
        return f"{self.flow}/{self.name}"

    @property
    def held(self) -> str:
        """The reason of a hold, if it is held."""
        held = (self.status or {}).get("held")
        return f"held: {plain(held['reason'])}" if held else ""

    @property
    def urgency(self) -> int:
        """How soon it needs attention: 0 is first, 3 is healthy."""
        if self.error:
            return 0
        variants = (self.status or {})["variants"]
        if self.held or any(variant["latched"] for variant in variants):
            return 1
        return 2 if any(variant["failure"] for variant in variants) else 3

    def views(self, now: int) -> list[VariantView]:
        """Return the tokens, those that need attention first."""
        views = [VariantView(variant, now) for variant in (self.status or {}).get("variants", ())]
        return sorted(
            views, key=lambda view: (not view.answer["latched"], not view.answer["failure"])
        )

    def document(self) -> dict[str, Any]:
        """Return the connection as JSON has it."""
        own = {"flow": self.flow, "connection": self.name}
        if self.error:
            return own | {"error": self.error.document()}
        return own | (self.status or {})


def connections(context: Context) -> int:
    """List the connections; return the exit code."""
    with context.screen.waiting("asking the broker"):
        names = Secrets(context).connections()
        if names:
            context.gateway  # noqa: B018 (made once, before threads would each make it)
        found = concurrently(lambda name: ask_status(context, *name), names)
    found.sort(key=lambda one: one.urgency)
    show(context, found, int(time.time()))
    return FAILURE if any(one.error for one in found) else 0


def ask_status(context: Context, flow: str, name: str) -> Connection:
    """Ask the broker for the state of a connection."""
    try:
        return Connection(flow, name, context.call(flow, name, "status"))
    except Exception as error:  # noqa: BLE001 (one that fails must not hide the others)
        return Connection(flow, name, error=command_error(error).about(flow, name))


def show(context: Context, found: list[Connection], now: int) -> None:
    """Show the connections: as JSON, as lines, or as a table."""
    screen = context.screen
    if screen.json:
        screen.data({"connections": [one.document() for one in found]})
    elif not found:
        screen.note("There are none yet: `token-broker connect` adds one.")
    elif not screen.is_terminal:
        screen.rows(row for one in found for row in lines(one, now))
    else:
        made = table(found, now) if screen.width >= NARROW else blocks(found, now)
        screen.show(*made, "", verdict(found))


def lines(one: Connection, now: int) -> Iterator[tuple[str, ...]]:
    """Yield a line of six cells for each token, or for the reason that there is none."""
    if one.error:
        yield one.label, "", "not known", "", "", one.error.code
    elif not (views := one.views(now)):
        yield one.label, "", "none yet", "", "", one.held
    else:
        for view in views:
            wrong = ", ".join(filter(None, (view.failure, one.held)))
            yield one.label, view.name, view.words, view.left_in_words, view.generation, wrong


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
    if one.error:
        yield [title(one), Text("not known", "red"), "", "", Text(one.error.code, "red")]
        return
    views = one.views(now)
    none = "" if views else Text("none yet", "dim")
    yield [title(one), none, "", "", Text(one.held, "red")]
    for view in views:
        bar = Text(f"{view.bar} {view.words}", view.style)
        name = Padding(Text(view.name, overflow="fold"), (0, 0, 0, 2))
        yield [name, bar, view.left_in_words, view.generation, Text(view.failure, "red")]  # type: ignore[list-item]  # a table takes any renderable


def blocks(found: list[Connection], now: int) -> Iterator[Text | Padding]:
    """Yield the cells below each other, for a narrow screen."""
    for one in found:
        yield title(one)
        for _, name, words, left, generation, wrong in lines(one, now):
            row = [f"{name}\n" if name else "", words]
            row += [f", {left}, generation {generation}"] if generation else []
            style = "red" if wrong else ""
            yield Padding(Text("".join(row) + (f"\n{wrong}" if wrong else ""), style), (0, 0, 0, 2))


def title(one: Connection) -> Text:
    """Return the connection's name, in red if it needs attention."""
    style = "bold" if one.urgency > 2 else "bold red"  # noqa: PLR2004 (healthy)
    parts = ((one.flow, "dim"), ("/", "dim"), (one.name, style))
    return Text.assemble(*parts, overflow="fold")


def verdict(found: list[Connection]) -> Text:
    """Return how many connections need attention, and which."""
    bad = [one.label for one in found if one.urgency < 3]  # noqa: PLR2004 (healthy)
    if not bad:
        return Text("All of them are healthy.", "green")
    more = f" and {len(bad) - MOST_NAMES} more" if len(bad) > MOST_NAMES else ""
    names = ", ".join(bad[:MOST_NAMES])
    verb = "needs" if len(bad) == 1 else "need"
    what = f"{len(bad)} of {len(found)} connections {verb} attention: {names}{more}"
    return Text(what, "bold red", overflow="fold")
