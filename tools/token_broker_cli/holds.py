"""`hold` and `lift`: stop everything about a connection, and let it go on."""

from typing import Literal

from token_broker_cli.context import Context


def hold(context: Context, flow: str, name: str, reason: str) -> None:
    """Have the broker hold a connection."""
    context.announce(f"holding {flow}/{name}")
    change(context, flow, name, "hold", reason=reason)
    if not context.screen.json:
        context.screen.lines(f"held: {flow}/{name} ({context.where})")
        context.screen.note("nothing is handed out any more, everywhere within MEMORY_SECONDS")


def lift(context: Context, flow: str, name: str) -> None:
    """Have the broker end the hold of a connection, if there is one."""
    context.announce(f"lifting the hold of {flow}/{name}")
    change(context, flow, name, "lift")
    if not context.screen.json:
        context.screen.lines(f"not held: {flow}/{name} ({context.where})")
        context.screen.note("the next call gets a token")


def change(
    context: Context, flow: str, name: str, action: Literal["hold", "lift"], **body: str
) -> None:
    """Ask the broker for a change; with `--json`, show its answer."""
    context.changes = True
    answer = context.call(flow, name, action, **body)
    if context.screen.json:
        own = {"flow": flow, "connection": name}
        context.screen.data(own | context.target | {"held": answer.get("held")})
