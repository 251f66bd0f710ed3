"""What is read from a file, or from stdin for ``-``: the ways of a secret past the shell."""

import sys
from pathlib import Path

from token_broker_cli.troubles import usage

LONGEST = 65_536
"""Bytes that Secrets Manager keeps in one secret."""


def content(file: str) -> bytes:
    """Return what is in *file*. Raises `Trouble`."""
    try:
        found = sys.stdin.buffer.read(LONGEST + 1) if file == "-" else _first(Path(file))
    except OSError as error:
        raise usage(f"--file: {error.strerror}") from None
    if len(found) > LONGEST:
        raise usage(f"--file: more than {LONGEST} bytes")
    return found


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST + 1)
