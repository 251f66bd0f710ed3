"""A JSON object from outside, read member by member. Errors name a member, never show its value."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from token_broker.errors import BrokerError, InvalidRequest

DEEPEST = 64
"""Levels of nesting, at most, of an object that is passed on unchanged."""

LARGEST_BITS = 14_000
"""Bits of an integer, at most. Python writes none of more than 4,300 digits, about 14,280 bits."""


class Document:
    """The members of an object, each to be read once; what is left over is an error.

    Every method raises *error*, with the member's name after *where* and never its value.
    """

    def __init__(self, members: object, error: type[BrokerError], where: str = "") -> None:
        self._error = error
        self._where = where
        if not isinstance(members, Mapping):
            raise self.wrong("", "must be a JSON object")
        self._members = dict(members)

    def wrong(self, name: str, reason: str) -> BrokerError:
        """Return the error for the member called *name*."""
        whole = "body" if self._error is InvalidRequest else "secret"
        path = ".".join(part for part in (self._where, name) if part) or whole
        return self._error(f"{path}: {reason}")

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string that is not blank, or *default* where the member is absent."""
        value = self._members.pop(name, default)
        if value is None:
            raise self.wrong(name, "is missing")
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(name, "must be a string that is not blank")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a string that is not blank, or None where the member is absent or null."""
        if self._members.get(name) is None:
            self._members.pop(name, None)
            return None
        return self.text(name)

    def choice(self, name: str, *choices: str) -> str:
        """Return one of *choices*. The first is the default."""
        value = self._members.pop(name, choices[0])
        if value not in choices:
            raise self.wrong(name, f"must be one of {', '.join(choices)}")
        return str(value)

    def boolean(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self._members.pop(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "must be true or false")
        return value

    def seconds(self, name: str, default: int | None = None, *, least: int = 1) -> int | None:
        """Return a whole number of seconds, or *default* where the member is absent or null."""
        value = self._members.pop(name, default)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(name, f"must be a whole number of seconds, at least {least}")
        return value

    def texts(self, name: str, default: Sequence[str]) -> list[str]:
        """Return a list of strings that are not blank."""
        value = self._members.pop(name, list(default))
        if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
            raise self.wrong(name, "must be a list of strings that are not blank")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """Return an object as it is, empty where the member is absent."""
        value = self._members.pop(name, {})
        if not isinstance(value, dict):
            raise self.wrong(name, "must be a JSON object")
        if not is_portable(value):
            raise self.wrong(
                name, f"holds NaN, Infinity or too long a number, or is over {DEEPEST} levels deep"
            )
        return value

    def mappings(self, name: str) -> list[dict[str, Any]]:
        """Return a list of objects as they are; one that stands alone is a list of one."""
        value = self._members.pop(name, None)
        found = value if isinstance(value, list) else [value]
        return [Document({name: one}, self._error, self._where).mapping(name) for one in found]

    def document(self, name: str) -> "Document":
        """Return an object to be read in turn, empty where the member is absent."""
        where = f"{self._where}.{name}" if self._where else name
        return Document(self._members.pop(name, {}), self._error, where)

    def finish(self) -> None:
        """Refuse members that were not read."""
        if self._members:
            name = min(map(str, self._members))[:64]
            # Any text may be a name, but not any text can be written to a log.
            raise self.wrong(ascii(name)[1:-1], "is not known")


def is_portable(value: object, levels: int = DEEPEST) -> bool:
    """Say whether other parsers read *value*: Python accepts NaN and any depth up to its stack."""
    match value:
        case float():
            return math.isfinite(value)
        case int():
            return value.bit_length() <= LARGEST_BITS
        case dict():
            members = list(value.values())
        case list():
            members = value
        case _:
            return True
    return levels > 0 and all(is_portable(member, levels - 1) for member in members)
