"""`status` and `explain`: what is known of a connection, and what a call would do now.

Both print the broker's own answer: nothing is guessed here.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from rich.padding import Padding
from rich.text import Text

from token_broker_cli.ages import when, written
from token_broker_cli.desk import Desk
from token_broker_cli.screen import pairs, plain
from token_broker_cli.troubles import Trouble
from token_broker_cli.variants import Row, times

NEXT = {
    "hand_out": "hands the token out",
    "refresh": "hands the token out, and has it renewed in the background",
    "exchange": "asks the vendor for a token",
    "wait": "waits for an exchange that is under way",
    "refuse": "refuses, without asking the vendor",
}


def status(desk: Desk, flow: str, name: str) -> None:
    """Show all that may be known of a connection."""
    answer = desk.call(flow, name, "status")
    if desk.screen.json:
        desk.screen.data(answer)
        return
    now = int(time.time())
    head = [("connection", f"{flow}/{name}"), ("secret version", plain(answer["secret_version"]))]
    head += held(answer, now)
    groups = [[*facts(Row(variant, now))] for variant in answer["variants"]]
    if not desk.screen.is_watched:
        desk.screen.rows([*head, *((key, value) for group in groups for key, value, _ in group)])
        return
    desk.screen.show(heading(flow, name, f"secret version {head[1][1][:8]}"))
    for key, value in head[2:]:
        desk.screen.show(Text(f"{key}: {value}", "red"))
    if not groups:
        desk.screen.show(Text("No token is kept: the first call makes one.", "dim"))
    for group in groups:
        rows = [(key, Text(value, style)) for key, value, style in group]
        desk.screen.show("", pairs(rows, "dim", ""))


def heading(flow: str, name: str, more: str = "") -> Text:
    """Return what stands above all that is said of a connection."""
    parts = ((f"{flow}/", "dim"), (name, "bold"), (f"  {more}" if more else "", "dim"))
    return Text.assemble(*parts, overflow="fold")


def held(answer: Mapping[str, Any], now: int) -> list[tuple[str, str]]:
    """Return why the connection is held, where it is."""
    told = answer.get("held")
    if not told:
        return []
    return [("held", f"{when(told['since'], now)} by {told['by']}: {plain(told['reason'])}")]


def facts(row: Row) -> Iterator[tuple[str, str, str]]:
    """Yield what is known of one variant: what it is, what it says, its style."""
    told = row.told
    yield "token", row.name, "bold"
    yield "state", f"{row.bar} {row.words}", row.style
    moments = (("made", "issued_at"), ("renewal", "refresh_after"), ("end", "expires_at"))
    for label, moment in moments:
        if told[moment]:
            yield label, f"{written(told[moment])}, {when(told[moment], row.now)}", ""
    yield "generation", f"{row.generation}, fingerprint {told['fingerprint'] or '-'}", ""
    for key, value in (told.get("context") or {}).items():
        yield plain(key), plain("-" if value is None else value), ""
    for label, text in troubles(row):
        yield label, text, "red"
    if told["renewing"]:
        yield "renewing", "now", ""


def troubles(row: Row) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a variant."""
    failure = row.told["failure"]
    if failure:
        since = when(failure["since"], row.now)
        parts = (failure["code"], times(failure["count"]), since)
        yield "failure", ", ".join(filter(None, parts))
        if not row.told["latched"]:
            yield "next try", when(failure["retry_at"], row.now)
    if row.told["latched"]:
        yield "latched", "this version of the secret is not tried again"


def explain(desk: Desk, flow: str, name: str) -> None:
    """Say what a call would do now for each variant of a connection, and why."""
    answer = desk.call(flow, name, "status")
    now = int(time.time())
    rows = [Row(variant, now) for variant in answer["variants"]]
    variants = [explained(row) for row in rows]
    if desk.screen.json:
        told = {"flow": flow, "connection": name, "held": answer.get("held")}
        desk.screen.data(told | {"variants": variants})
        return
    head = held(answer, now)
    if not desk.screen.is_watched:
        keys = ("token", "state", "next", "because")
        lines = [(key, str(one[key])) for one in variants for key in keys]
        desk.screen.rows([("connection", f"{flow}/{name}"), *head, *lines])
        return
    desk.screen.show(heading(flow, name), *(Text(f"{k}: {v}", "red") for k, v in head))
    if not variants:
        desk.screen.show(Text("No token is kept: there is nothing to explain.", "dim"))
    for row, one in zip(rows, variants, strict=True):
        verdict = Text.assemble(
            (row.name, "bold"),
            (f"  {row.words}.", row.style),
            f"  A call {NEXT.get(one['next'], one['next'])}.",
            overflow="fold",
        )
        desk.screen.show("", verdict, Padding(Text(one["because"]), (0, 0, 0, 2), expand=False))


def explained(row: Row) -> dict[str, Any]:
    """Return what the broker itself says that a call for this variant would do."""
    try:
        would, because = str(row.told["next"]), plain(row.told["because"])
    except KeyError:
        raise Trouble(
            "not_supported",
            "this broker does not say what a call would do",
            "Deploy one that is as new as this command; `token-broker status` shows what is known.",
        ) from None
    return {
        "token": row.name,
        "variant": row.told["variant"],
        "state": row.state,
        "next": would,
        "because": because,
    }
