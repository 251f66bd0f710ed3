"""The fakes of the vendors, and the secrets with which the demo connections reach them."""

from collections.abc import Mapping
from typing import Any

from token_broker_fakes import registry
from token_broker_local.places import FLOWS, Places


def demo_secrets(places: Places) -> Mapping[str, Mapping[str, Any]]:
    """Return what each flow's demo secret says."""
    return {flow: registry.kind(flow).demo_secret(places.url(flow)) for flow in FLOWS}
