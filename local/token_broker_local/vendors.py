"""The fakes of the vendors, and the secrets with which the demo connections reach them."""

from collections.abc import Mapping
from typing import Any

from token_broker_fakes.editor import FakeEditor
from token_broker_fakes.fake import Fake
from token_broker_fakes.vendorlink import FakeVendorlink
from token_broker_fakes.vntana import FakeVntana
from token_broker_local.places import Places


def fakes() -> Mapping[str, Fake[Any]]:
    """Return a fake of each flow's vendor."""
    return {"vntana": FakeVntana(), "vendorlink": FakeVendorlink(), "editor": FakeEditor()}


def demo_secrets(places: Places) -> Mapping[str, Mapping[str, Any]]:
    """Return what each flow's demo secret says."""
    return {
        "vntana": FakeVntana.demo_secret(places.url("vntana")),
        "vendorlink": FakeVendorlink.demo_secret(places.url("vendorlink")),
        "editor": FakeEditor.demo_secret(places.url("editor")),
    }
