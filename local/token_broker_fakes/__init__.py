"""Fakes of the vendors that enforce their rules.

A fake is a callable that takes a `Request` and returns a `Response`; its `serve` puts the same
object behind a real HTTP server on loopback. ``docs/testing-with-the-fakes.md`` begins here.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # --- made by `make operations`: types
    from token_broker_fakes.editor import (
        EditorModes,
        FakeEditor,
    )
    from token_broker_fakes.faults import (
        Fault,
    )
    from token_broker_fakes.vendorlink import (
        FakeVendorlink,
        User,
        VendorlinkModes,
    )
    from token_broker_fakes.vntana import (
        Account,
        FakeVntana,
        Organization,
        VntanaModes,
        Workspace,
    )
    # --- end of what is made

# --- made by `make operations`: homes
HOMES = {
    "EditorModes": "editor",
    "FakeEditor": "editor",
    "Fault": "faults",
    "FakeVendorlink": "vendorlink",
    "User": "vendorlink",
    "VendorlinkModes": "vendorlink",
    "Account": "vntana",
    "FakeVntana": "vntana",
    "Organization": "vntana",
    "VntanaModes": "vntana",
    "Workspace": "vntana",
}
__all__ = [
    "Account",
    "EditorModes",
    "FakeEditor",
    "FakeVendorlink",
    "FakeVntana",
    "Fault",
    "Organization",
    "User",
    "VendorlinkModes",
    "VntanaModes",
    "Workspace",
]
# --- end of what is made


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the pytest plugin loads in every run."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 (same reason)

    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
