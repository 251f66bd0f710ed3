"""Records behave as frozen dataclasses, without their imports."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass
from dataclasses import field as dataclass_field
from dataclasses import replace as dataclass_replace
from typing import Any

import pytest

from token_broker.records import Record, field, replace


class Ours(Record):
    """A record with a field of each kind."""

    name: str
    secret: str = field(repr=False)
    count: int = 0
    more: Mapping[str, int] = field(default_factory=dict)
    hidden: str | None = field(default=None, repr=False)


class Another(Record):
    """Another record with the same fields."""

    name: str
    secret: str = field(repr=False)
    count: int = 0
    more: Mapping[str, int] = field(default_factory=dict)
    hidden: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Theirs:
    """The same as a dataclass."""

    name: str
    secret: str = dataclass_field(repr=False)
    count: int = 0
    more: Mapping[str, int] = dataclass_field(default_factory=dict)
    hidden: str | None = dataclass_field(default=None, repr=False)


ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a", "b"), {}),
    (("a",), {"secret": "b", "hidden": "c"}),
    ((), {"name": "a", "secret": "b", "more": {"x": 1}}),
    (("a", "b", 7, {"x": 1}, "c"), {}),
    (("a",), {}),
    ((), {"secret": "b"}),
    (("a", "b"), {"unknown": 1}),
    (("a",), {"unknown": 1}),
    (("a",), {"name": "a", "secret": "b"}),
    (("a", "b", 7, {}, "c", "too many"), {}),
]


def made(kind: Any, values: tuple[Any, ...], named: Mapping[str, Any]) -> object:
    """Return repr and fields of a value of *kind*, or the error of its constructor."""
    try:
        found = kind(*values, **named)
    except TypeError:
        return TypeError
    shown = repr(found).replace("Theirs", "Ours")
    return shown, {name: getattr(found, name) for name in Ours.__annotations__}


@pytest.mark.parametrize(("values", "named"), ARGUMENTS)
def test_constructor_and_repr_are_those_of_a_dataclass(
    values: tuple[Any, ...], named: dict[str, Any]
) -> None:
    """A hidden field is not in the repr; missing and unknown arguments are errors."""
    assert made(Ours, values, named) == made(Theirs, values, named)


def test_an_error_of_the_constructor_names_the_record_and_its_fields() -> None:
    with pytest.raises(TypeError, match=r"^Ours: too many values$"):
        Ours("a", "b", 7, {}, "c", "d")  # type: ignore[call-arg]  # which mypy knows
    with pytest.raises(TypeError, match=r"^Ours: missing or unknown: \['secret', 'unknown'\]$"):
        Ours("a", unknown=1)  # type: ignore[call-arg]  # which mypy knows


def test_records_with_equal_fields_are_equal() -> None:
    assert Ours("a", "b") == Ours("a", secret="b") != Ours("a", "c")
    assert Ours("a", "b") != Theirs("a", "b")
    assert Ours("a", "b") != Another("a", "b")
    assert Ours("a", "b").more is not Ours("a", "b").more


def test_replace_returns_a_changed_copy() -> None:
    """An unknown field is an error."""
    ours, standard = Ours("a", "b", 7), Theirs("a", "b", 7)
    changed = replace(ours, count=8, more={"x": 1})
    assert vars(changed) == vars(dataclass_replace(standard, count=8, more={"x": 1}))
    assert ours == Ours("a", "b", 7)
    with pytest.raises(TypeError):
        replace(ours, unknown=1)


def test_a_record_cannot_be_changed() -> None:
    """The error is a base class of `FrozenInstanceError`."""
    ours = Ours("a", "b")
    with pytest.raises(AttributeError, match=r"^Ours cannot be changed$"):
        ours.name = "c"  # type: ignore[misc]  # which mypy knows
    with pytest.raises(AttributeError, match=r"^Ours cannot be changed$"):
        del ours.name
    assert issubclass(FrozenInstanceError, AttributeError)


def test_records_of_hashable_values_are_hashable() -> None:
    class Place(Record):
        """Plain fields."""

        row: int
        column: int
        level: int = 0

    assert {Place(1, 2), Place(column=2, row=1, level=0), Place(2, 2)} == {Place(1, 2), Place(2, 2)}
    assert hash(Place(1, 2)) != hash(Place(2, 2))
