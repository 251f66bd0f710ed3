"""`verify`: asks the editor's vendor what a token stands for."""

import sys

import typer
from rich.table import Table
from rich.text import Text

from token_broker_cli import files
from token_broker_cli.desk import Desk
from token_broker_cli.screen import plain
from token_broker_cli.troubles import FAILURE, usage


def verify(desk: Desk, name: str, file: str | None) -> int:
    """Verify a token that is typed unseen, or read; return the exit code."""
    # As `token --format headers` has it, it may come in its header.
    value = token(file).removeprefix("x-api-token:").strip()
    if not value:
        raise usage("there is no token in it", "Give one: `token-broker token editor NAME`.")
    answer = desk.call("editor", name, "verify", token=value)
    if desk.screen.json:
        desk.screen.data(answer)
    elif answer["valid"]:
        desk.screen.show(Text("valid", "bold green"), parameters(answer["parameters"]))
    else:
        desk.screen.show(Text("not valid: unknown, or it ended", "bold red"))
    return 0 if answer["valid"] else FAILURE


def token(file: str | None) -> str:
    """Return the token: never an argument, as those are seen by others and kept by shells."""
    if file is None and not sys.stdin.isatty():
        raise usage("there is nobody to ask for the token", "Give it by stdin: --file -")
    if file is None:
        return str(typer.prompt("Token", hide_input=True, err=True)).strip()
    try:
        return files.content(file).decode().strip()
    except UnicodeDecodeError:
        raise usage("--file: no text in UTF-8") from None


def parameters(told: dict[str, object]) -> Table:
    """Return the parameters, a line for each."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim")
    for name, value in told.items():
        grid.add_row(plain(name), Text(plain(value)))
    return grid
