"""`explain`: what the function would do on a call now, in plain words."""

import time
from dataclasses import asdict

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from token_broker_cli.accounts import Account, accounts
from token_broker_cli.desk import Desk
from token_broker_cli.variants import STYLES

VERDICTS = {
    "hand_out": "hands the token out",
    "renew_behind": "hands the token out, and has it renewed behind the caller's back",
    "exchange": "asks the vendor for a token",
    "wait": "waits for an exchange that is under way",
    "refuse": "refuses, without asking the vendor",
}


def explain(desk: Desk, flow: str, name: str) -> None:
    """Explain each variant of a connection."""
    answer = desk.call(flow, name, "status")
    told = accounts(answer, int(time.time()))
    if desk.screen.json:
        document = {"flow": flow, "connection": name, "variants": [asdict(one) for one in told]}
        desk.screen.data(document)
        return
    desk.screen.show(Text.assemble((f"{flow}/", "dim"), (name, "bold")))
    for one in told:
        desk.screen.show("", title(one), Padding(reasons(one), (0, 0, 0, 2)))


def title(one: Account) -> Text:
    """Return the verdict."""
    return Text.assemble(
        (one.token, "bold"),
        (f"  {one.state}.", STYLES[one.state]),
        f"  The function {VERDICTS[one.would]}.",
    )


def reasons(one: Account) -> Table:
    """Return a sentence a line."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for sentence in one.because:
        grid.add_row("·", sentence)
    return grid
