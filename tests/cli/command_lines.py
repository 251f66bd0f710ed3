"""A command line for each command, with arguments that make it run without questions."""

import json
from collections.abc import Iterator

from typer.main import get_command

from token_broker_cli.main import app

SECRET = json.dumps({"username": "a", "password": "b", "host": "h.vendorlink.nl"})
ARGUMENTS = {"flow": ["vendorlink"], "name": ["acme"]}
OPTIONS = {"reason": ["--reason", "leak"], "yes": ["--yes"], "check": ["--no-check"]}
CHANGING = {"connect", "probe", "forget", "hold", "lift"}
"""The commands that change something."""


def commands(file: str = "-") -> Iterator[list[str]]:
    """Yield a command line for each command; `connect` and `verify` read *file*."""
    for word, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # of a group
        line = [word]
        for one in command.params:
            of = ARGUMENTS if one.param_type_name == "argument" else OPTIONS
            line += ["--file", file] if one.name == "file" else of.get(one.name, [])
        yield line


COMMANDS = tuple(commands())
ASKING = tuple(line for line in COMMANDS if line[0] not in ("connections", "connect", "doctor"))
"""The commands that call the broker once and print its answer."""
