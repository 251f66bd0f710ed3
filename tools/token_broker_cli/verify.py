"""`verify`: asks the editor's vendor what a token stands for."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from token_broker_cli.desk import Desk
from token_broker_cli.questions import content, is_somebody_there, prompt
from token_broker_cli.screen import pairs, plain
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
    else:
        show(desk, answer)
    return 0 if answer["valid"] else FAILURE


def show(desk: Desk, answer: Mapping[str, Any]) -> None:
    """Show whether a token is valid, and what it stands for."""
    said = "valid" if answer["valid"] else "not valid: unknown, or it ended"
    rows = [(plain(key), plain(value)) for key, value in answer.get("parameters", {}).items()]
    if desk.screen.is_watched:
        style = "bold green" if answer["valid"] else "bold red"
        desk.screen.show(Text(said, style), pairs([(k, Text(v)) for k, v in rows], "dim", ""))
    else:
        desk.screen.rows([(said,), *rows])


def token(file: str | None) -> str:
    """Return the token: never an argument, as those are seen by others and kept by shells."""
    if file is None and not is_somebody_there():
        raise usage("there is nobody to ask for the token", "Give it by stdin: --file -")
    if file is None:
        return prompt("Token", hide=True)
    try:
        return content(file).decode().strip()
    except UnicodeDecodeError:
        raise usage("--file: no text in UTF-8") from None
