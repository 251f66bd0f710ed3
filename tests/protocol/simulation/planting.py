"""How a bug is planted: pieces of the shipped code are replaced for as long as a run lasts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from token_broker.item import Item
from token_broker.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])
Substitute: TypeAlias = tuple[object, str, object]
"""A class or module, the name of an attribute, and the attribute's replacement."""


@dataclass(frozen=True, slots=True)
class Bug:
    """A fault that removes one guard of the shipped code."""

    name: str
    guard: str
    substitutes: tuple[Substitute, ...]
    near: int = 0
    """A seed that found it: the search begins there, then restarts at the first seed."""


@contextmanager
def planted(bug: Bug | None) -> Iterator[None]:
    substitutes = bug.substitutes if bug else ()
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in substitutes]
    try:
        for substitute in substitutes:
            setattr(*substitute)
        yield
    finally:
        for original in originals:
            setattr(*original)


@dataclass(slots=True)
class Write:
    """A write: the attributes that it sets, its condition, and those that it removes."""

    changes: dict[str, Any]
    unchanged: dict[str, Any]
    remove: list[str]

    @property
    def is_acquire(self) -> bool:
        return "lease_owner" in self.changes

    @property
    def is_commit(self) -> bool:
        """Return whether the write stores a new token."""
        return "generation" in self.changes and "lease_owner" in self.unchanged

    @property
    def is_failure(self) -> bool:
        """Return whether the write ends a lease without a new token."""
        return "lease_owner" in self.remove and not self.is_commit


class Bugs(dict[str, Bug]):
    """Bugs by name. A decorated function's bug has its name, with hyphens."""

    def add(self, name: str, guard: str, *substitutes: Substitute, near: int = 0) -> None:
        """Add a bug that consists of *substitutes*."""
        self[name] = Bug(name, guard, substitutes, near)

    def instead_of(
        self, owner: object, attribute: str, guard: str, *, near: int = 0
    ) -> Callable[[Function], Function]:
        """Replace an attribute by the decorated function."""
        return self._decorator(owner, attribute, guard, near, lambda function: function)

    def around(
        self, owner: object, attribute: str, guard: str, *, near: int = 0
    ) -> Callable[[Function], Function]:
        """Replace an attribute by a function that gets the original as its first argument."""
        original = getattr(owner, attribute)

        def substitute(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *arguments, **named: function(original, *arguments, **named)

        return self._decorator(owner, attribute, guard, near, substitute)

    def of_writes(self, guard: str, *, near: int = 0) -> Callable[[Function], Function]:
        """Let the decorated function change each `Write` to the table."""
        original = Store._update

        def substitute(function: Callable[..., Any]) -> Callable[..., Any]:
            def update(self: Store, item: Item, changes: Any, **rest: Any) -> Item | None:
                setting = {name: value for name, value in changes.items() if value is not None}
                removing = [name for name in changes if name not in setting]
                write = Write(setting, dict(rest["unchanged"]), removing)
                function(write)
                rewritten = write.changes | dict.fromkeys(write.remove)
                return original(self, item, rewritten, **rest | {"unchanged": write.unchanged})

            return update

        return self._decorator(Store, "_update", guard, near, substitute)

    def _decorator(
        self,
        owner: object,
        attribute: str,
        guard: str,
        near: int,
        substitute: Callable[[Any], object],
    ) -> Callable[[Function], Function]:
        def decorate(function: Function) -> Function:
            name = function.__name__.replace("_", "-")
            self.add(name, guard, (owner, attribute, substitute(function)), near=near)
            return function

        return decorate
