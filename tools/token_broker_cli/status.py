"""`status` and `explain`: the state of a connection, and what a call would do now.

Both print the broker's own answer: nothing is guessed here.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from rich.padding import Padding
from rich.text import Text

from token_broker_cli.context import Context
from token_broker_cli.errors import CommandError
from token_broker_cli.screen import grid, plain
from token_broker_cli.variants import VariantView, times, when, written

NEXT = {
    "hand_out": "hands the token out",
    "refresh": "hands the token out, and has it renewed in the background",
    "exchange": "asks the vendor for a token",
    "wait": "waits for an exchange that is under way",
    "refuse": "refuses, without asking the vendor",
}


def status(context: Context, flow: str, name: str) -> None:
    """Show the state of a connection."""
    answer = context.call(flow, name, "status")
    if context.screen.json:
        context.screen.data(answer)
        return
    now = int(time.time())
    head = [("connection", f"{flow}/{name}"), ("secret version", plain(answer["secret_version"]))]
    head += held(answer, now)
    views = [VariantView(variant, now) for variant in answer["variants"]]
    groups = [[*facts(view)] for view in views]
    if not context.screen.is_terminal:
        context.screen.rows([*head, *((key, value) for group in groups for key, value, _ in group)])
        return
    context.screen.show(heading(flow, name, f"secret version {head[1][1][:8]}"))
    for key, value in head[2:]:
        context.screen.show(Text(f"{key}: {value}", "red"))
    if not groups:
        context.screen.show(Text("No token is kept: the first call makes one.", "dim"))
    for view, group in zip(views, groups, strict=True):
        bar = {"state": f"{view.bar} "}
        rows = [(key, Text(bar.get(key, "") + value, style)) for key, value, style in group]
        context.screen.show("", grid(rows, "dim", ""))


def heading(flow: str, name: str, more: str = "") -> Text:
    """Return the first line of an answer about a connection."""
    parts = ((f"{flow}/", "dim"), (name, "bold"), (f"  {more}" if more else "", "dim"))
    return Text.assemble(*parts, overflow="fold")


def held(answer: Mapping[str, Any], now: int) -> list[tuple[str, str]]:
    """Return the reason of a hold, if the connection is held."""
    hold = answer.get("held")
    if not hold:
        return []
    return [("held", f"{when(hold['since'], now)} by {plain(hold['by'])}: {plain(hold['reason'])}")]


def facts(view: VariantView) -> Iterator[tuple[str, str, str]]:
    """Yield the facts of one variant: name, value and style."""
    answer = view.answer
    yield "token", view.name, "bold"
    yield "state", view.words, view.style
    moments = (("made", "issued_at"), ("renewal", "refresh_after"), ("end", "expires_at"))
    for label, moment in moments:
        if answer[moment]:
            yield label, f"{written(answer[moment])}, {when(answer[moment], view.now)}", ""
    yield "generation", f"{view.generation}, fingerprint {answer['fingerprint'] or '-'}", ""
    for key, value in (answer.get("context") or {}).items():
        yield plain(key), plain("-" if value is None else value), ""
    for label, text in failures(view):
        yield label, text, "red"
    if answer["renewing"]:
        yield "renewing", "now", ""


def failures(view: VariantView) -> Iterator[tuple[str, str]]:
    """Yield the failures of a variant."""
    failure = view.answer["failure"]
    if failure:
        since = when(failure["since"], view.now)
        parts = (failure["code"], times(failure["count"]), since)
        yield "failure", ", ".join(filter(None, parts))
        if not view.answer["latched"]:
            yield "next try", when(failure["retry_at"], view.now)
    if view.answer["latched"]:
        yield "latched", "this version of the secret is not tried again"


def explain(context: Context, flow: str, name: str) -> None:
    """Show what a call would do now for each variant of a connection, and why."""
    answer = context.call(flow, name, "status")
    now = int(time.time())
    views = [VariantView(variant, now) for variant in answer["variants"]]
    variants = [explained(view) for view in views]
    if context.screen.json:
        document = {"flow": flow, "connection": name, "held": answer.get("held")}
        context.screen.data(document | {"variants": variants})
        return
    head = held(answer, now)
    if not context.screen.is_terminal:
        keys = ("token", "state", "next", "because")
        lines = [(key, str(one[key])) for one in variants for key in keys]
        context.screen.rows([("connection", f"{flow}/{name}"), *head, *lines])
        return
    context.screen.show(heading(flow, name), *(Text(f"{k}: {v}", "red") for k, v in head))
    if not variants:
        context.screen.show(Text("No token is kept: there is nothing to explain.", "dim"))
    for view, one in zip(views, variants, strict=True):
        verdict = Text.assemble(
            (view.name, "bold"),
            (f"  {view.words}.", view.style),
            f"  A call {NEXT.get(one['next'], one['next'])}.",
            overflow="fold",
        )
        context.screen.show(
            "", verdict, Padding(Text(f"because {one['because']}"), (0, 0, 0, 2), expand=False)
        )


def explained(view: VariantView) -> dict[str, Any]:
    """Return the broker's answer about a call for this variant."""
    try:
        would, because = str(view.answer["next"]), plain(view.answer["because"])
    except KeyError:
        raise CommandError(
            "not_supported",
            "this broker does not say what a call would do",
            "Deploy one that is as new as this command; `token-broker status` shows what is known.",
        ) from None
    return {
        "token": view.name,
        "variant": view.answer["variant"],
        "state": view.state,
        "next": would,
        "because": because,
    }
