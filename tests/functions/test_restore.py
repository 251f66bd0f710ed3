"""A snapshot of a function is restored, perhaps days later: nothing of before is believed."""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from tests.functions.world import World

if TYPE_CHECKING:
    from collections.abc import Callable


def test_what_a_snapshot_remembers_is_dropped_when_it_is_restored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is read anew, and no old look at a secret is taken for a new one."""
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
