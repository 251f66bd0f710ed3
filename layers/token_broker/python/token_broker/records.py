"""Immutable values with named fields, for the classes that a hit needs.

They behave like frozen dataclasses. But `dataclasses` loads `inspect`, and compiles methods for
each class, which took two fifths of the broker's own import time. See docs/decisions/0042.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, NoReturn, TypeVar, dataclass_transform

_MISSING = object()


class _Field(NamedTuple):
    """How a field differs from a plain one."""

    default: Any
    factory: Callable[[], Any] | None = None
    is_shown: bool = True


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    repr: bool = True,  # noqa: A002 (the name that dataclasses have for it)
) -> Any:
    """Return the default of a field, or a function that makes it. *repr* is false for a secret."""
    return _Field(default, default_factory, repr)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Record:
    """A value that is equal to others with equal fields, and cannot be changed."""

    _fields: ClassVar[Mapping[str, _Field]]
    _defaults: ClassVar[Mapping[str, Any]]
    _factories: ClassVar[Mapping[str, Callable[[], Any]]]

    def __init_subclass__(cls) -> None:
        given = {name: cls.__dict__.get(name, _MISSING) for name in cls.__annotations__}
        fields = {n: d if isinstance(d, _Field) else _Field(d) for n, d in given.items()}
        cls._fields = fields
        cls._defaults = {n: f.default for n, f in fields.items() if f.default is not _MISSING}
        cls._factories = {n: f.factory for n, f in fields.items() if f.factory}

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.__dict__
        fields.update(self._defaults)
        fields.update(named)
        if values:
            placed = dict(zip(self._fields, values, strict=False))
            if not named.keys().isdisjoint(placed) or len(values) > len(self._fields):
                raise TypeError(f"{type(self).__name__}: too many values")
            fields.update(placed)
        for name, made in self._factories.items():
            if name not in fields:
                fields[name] = made()
        if fields.keys() != self._fields.keys():
            wrong = sorted(fields.keys() ^ self._fields.keys())
            raise TypeError(f"{type(self).__name__}: missing or unknown: {wrong}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        # In the order of the fields, in whatever order they were given.
        return hash(tuple([self.__dict__[name] for name in self._fields]))

    def __repr__(self) -> str:
        shown = [name for name, field in self._fields.items() if field.is_shown]
        values = ", ".join(f"{name}={self.__dict__[name]!r}" for name in shown)
        return f"{type(self).__name__}({values})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")


R = TypeVar("R", bound=Record)


def replace(record: R, /, **changes: Any) -> R:
    """Return *record* with other values for some of its fields."""
    return type(record)(**(record.__dict__ | changes))
