"""Planted bugs in what is written to the table: a condition that is not made, a mark not set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from token_broker.item import Item
from token_broker.store import Store

Substitutes = dict[tuple[object, str], Any]
"""What stands in place of which attribute of which class or module."""


@dataclass(slots=True)
class Write:
    """What a write sets, what it is conditional on, and what it removes."""

    changes: dict[str, Any]
    unchanged: dict[str, Any]
    remove: list[str]

    @property
    def is_acquire(self) -> bool:
        """Say whether it takes a lease."""
        return "lease_owner" in self.changes

    @property
    def is_commit(self) -> bool:
        """Say whether it keeps what an exchange earned."""
        return "generation" in self.changes and "lease_owner" in self.unchanged

    @property
    def is_failure(self) -> bool:
        """Say whether it ends a lease with nothing earned."""
        return "lease_owner" in self.remove and not self.is_commit


def writes(rewrite: Callable[[Write], object]) -> Callable[[], Substitutes]:
    """Return a bug in what is written to the table."""

    def substitutes() -> Substitutes:
        original = Store._update

        def update(self: Store, item: Item, changes: Any, **rest: Any) -> Item | None:
            write = Write(dict(changes), dict(rest["unchanged"]), list(rest.get("remove", ())))
            rewrite(write)
            rewritten = {"unchanged": write.unchanged, "remove": write.remove}
            return original(self, item, write.changes, **rest | rewritten)

        return {(Store, "_update"): update}

    return substitutes


def commit_unfenced(write: Write) -> None:
    if write.is_commit:
        write.unchanged.clear()


def failure_unfenced(write: Write) -> None:
    if write.is_failure:
        write.unchanged.clear()


def acquire_uncompared(write: Write) -> None:
    if write.is_acquire:
        write.unchanged.clear()


def generation_uncompared(write: Write) -> None:
    if write.is_acquire:
        write.unchanged.pop("generation", None)


def renewal_unmarked(write: Write) -> None:
    if write.is_acquire:
        write.changes.pop("renewal", None)


def latch_unkept(write: Write) -> None:
    write.changes.pop("rejected_versions", None)


def latch_left(write: Write) -> None:
    if "rejected_versions" in write.remove:
        write.remove.remove("rejected_versions")


def hold_removed(write: Write) -> None:
    if write.is_commit and "held" not in write.remove:
        write.remove.append("held")


def unsettled() -> Substitutes:
    original = Store._update

    def update(self: Store, item: Item, changes: Any, **rest: Any) -> Item | None:
        return original(self, item, changes, **rest | {"is_done": lambda _: False})

    return {(Store, "_update"): update}


def unelected() -> Substitutes:
    original = Store.claim_refresh

    def claim_refresh(self: Store, item: Item, until: int) -> bool:
        original(self, item, until)
        return True

    return {(Store, "claim_refresh"): claim_refresh}


def deleted() -> Substitutes:
    def forget(self: Store, item: Item) -> None:
        client: Any = self._client()
        key = {"connection": {"S": item.connection}, "variant": {"S": item.variant}}
        client.delete_item(TableName="table", Key=key)

    return {(Store, "forget"): forget}
