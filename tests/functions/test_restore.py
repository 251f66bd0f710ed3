"""SnapStart restores a function perhaps days later: its caches are dropped."""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from tests.functions.world import World

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_caches_of_a_snapshot_are_dropped_on_restore(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table and the secret are read again."""
    hooks: list[Callable[[], None]] = []
    runtime = ModuleType("snapshot_restore_py")
    vars(runtime)["register_after_restore"] = hooks.append
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    connection = world.connect("vendorlink")
    first = world.call("vendorlink", connection)
    assert world.call("vendorlink", connection)["source"] == "memory"
    for restore in hooks:
        restore()
    assert world.service("vendorlink").deps.versions_seen == {}
    again = world.call("vendorlink", connection)
    assert (again["source"], again["fingerprint"]) == ("table", first["fingerprint"])
