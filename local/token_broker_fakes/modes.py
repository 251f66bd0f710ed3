"""The modes of a fake: settings of the vendor's behaviour, with checked names and values."""

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from token_broker_fakes.clock import FURTHEST_SECONDS

_choices: dict[type["Modes"], dict[str, tuple[str, ...]]] = {}


class ModeError(ValueError):
    """There is no such mode, or it has no such value. The message lists the valid ones."""


class Modes:
    """Base of a vendor's modes: a dataclass of literals and whole numbers that checks itself."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        """Set a mode. Raises `ModeError` for an unknown mode or value."""
        checked(type(self), name, value)
        object.__setattr__(self, name, value)

    def update(self, values: Mapping[str, object]) -> None:
        """Set the modes in *values*: all of them, or none if one is invalid."""
        for name, value in values.items():
            checked(type(self), name, value)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def reset(self) -> None:
        """Set each mode to its default."""
        self.update(type(self)().values())

    def values(self) -> dict[str, Any]:
        """Return each mode's value by its name."""
        return {name: getattr(self, name) for name in choices(type(self))}

    def describe(self) -> dict[str, dict[str, Any]]:
        """Return each mode's value, and its possible values."""
        return {
            name: {"value": getattr(self, name), "choices": list(allowed) or "a whole number"}
            for name, allowed in choices(type(self)).items()
        }


def choices(kind: type[Modes]) -> dict[str, tuple[str, ...]]:
    """Return the values of each mode of *kind*; an empty tuple stands for any whole number."""
    if kind not in _choices:
        hints = get_type_hints(kind)
        _choices[kind] = {name: get_args(hint) for name, hint in hints.items() if name[0] != "_"}
    return _choices[kind]


def checked(kind: type[Modes], name: str, value: object) -> None:
    """Raise `ModeError` unless the mode *name* of *kind* can be *value*."""
    known = choices(kind)
    if name not in known:
        raise ModeError(f"there is no mode {name!r}; there are {', '.join(sorted(known))}")
    allowed = known[name]
    if allowed and value not in allowed:
        raise ModeError(f"mode {name} is one of {', '.join(allowed)}; not {value!r}")
    if not allowed and (type(value) is not int or not 0 <= value <= FURTHEST_SECONDS):
        rule = f"a whole number from 0 to {FURTHEST_SECONDS}"
        raise ModeError(f"mode {name} is {rule}; not {value!r}")
