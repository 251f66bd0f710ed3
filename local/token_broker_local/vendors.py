"""The fakes of the vendors, and the secrets with which the demo connections reach them."""

from collections.abc import Mapping
from typing import Any

from token_broker_fakes import registry
from token_broker_local.addresses import FLOWS, Addresses


def demo_secrets(addresses: Addresses) -> Mapping[str, Mapping[str, Any]]:
    """Return what each flow's demo secret says."""
    return {flow: registry.kind(flow).demo_secret(addresses.url(flow)) for flow in FLOWS}
