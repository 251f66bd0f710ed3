"""`forget`: drops the tokens of a connection, ends their sessions, lifts its latch."""

import sys

import typer

from token_broker_cli.desk import Desk
from token_broker_cli.troubles import usage


def forget(desk: Desk, flow: str, name: str, *, sure: bool) -> None:
    """Have the broker forget, if the operator is sure."""
    if not sure:
        confirm(flow, name)
    answer = desk.call(flow, name, "forget")
    if desk.screen.json:
        desk.screen.data({"flow": flow, "connection": name} | answer)
        return
    count = answer["forgotten"]
    desk.screen.lines(f"forgotten: {count} token{'' if count == 1 else 's'} of {flow}/{name}")
    desk.screen.note("the next call makes a new one; a latch is lifted")


def confirm(flow: str, name: str) -> None:
    """Ask whether that is meant."""
    if not sys.stdin.isatty():
        raise usage("there is nobody to ask whether that is meant", "Say so: --yes")
    question = f"Forget the tokens of {flow}/{name}? Callers get new ones on their next call"
    typer.confirm(question, abort=True, err=True)
