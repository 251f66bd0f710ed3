"""`forget`: drops the tokens of a connection, ends their sessions, lifts its latch."""

from token_broker_cli.desk import Desk
from token_broker_cli.questions import confirm


def forget(desk: Desk, flow: str, name: str, *, sure: bool) -> None:
    """Have the broker forget, if the operator is sure."""
    what = f"the tokens of {flow}/{name}"
    if not sure:
        confirm(f"Forget {what} ({desk.where})? Callers get new ones on their next call")
    desk.announce(f"forgetting {what}")
    desk.changes = True
    answer = desk.call(flow, name, "forget")
    if desk.screen.json:
        desk.screen.data({"flow": flow, "connection": name} | desk.target | answer)
        return
    count = answer["forgotten"]
    tokens = f"{count} token{'' if count == 1 else 's'}"
    desk.screen.lines(f"forgotten: {tokens} of {flow}/{name} ({desk.where})")
    desk.screen.note("the next call makes a new one; a latch is lifted")
    if not answer.get("complete", True):
        desk.screen.note("there are more: run it again", "yellow")
