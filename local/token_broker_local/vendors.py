"""The fakes of the vendors, and the secrets with which the demo connections reach them."""

from collections.abc import Mapping
from typing import Any

from token_broker_fakes.editor import FakeEditor
from token_broker_fakes.vendorlink import FakeVendorlink
from token_broker_fakes.vntana import FakeVntana
from token_broker_local.places import HOST, Places


def serve(places: Places) -> None:
    """Serve each vendor's fake from now on."""
    FakeVntana().serve(places.ports["vntana"], HOST)
    FakeVendorlink().serve(places.ports["vendorlink"], HOST)
    FakeEditor().serve(places.ports["editor"], HOST)


def demo_secrets(places: Places) -> Mapping[str, Mapping[str, Any]]:
    """Return what each flow's demo secret says."""
    return {
        "vntana": FakeVntana.demo_secret(places.url("vntana")),
        "vendorlink": FakeVendorlink.demo_secret(places.url("vendorlink")),
        "editor": FakeEditor.demo_secret(places.url("editor")),
    }
