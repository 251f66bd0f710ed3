"""The flows, for the generation of the templates and the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from token_broker.flows import every
from token_broker.flows.vendor import Vendor
from token_broker_descriptors import Descriptor
from token_broker_descriptors import every as descriptors

OPTIONAL = frozenset({"verify", "check", "probe"})
"""Actions of callers that a flow has only if its vendor has the member with this name."""


@dataclass(frozen=True)
class Flow(Descriptor):
    """A flow: its descriptor, and its abilities."""

    abilities: frozenset[str] = frozenset()
    """Its actions of `OPTIONAL`: each has a route."""
    may_be_unshared: bool = False
    """Whether a connection may be set to make a token for each call."""

    @property
    def request(self) -> Mapping[str, Any]:
        """The schemas of the fields of a call for a token."""
        return {field.name: field.schema for field in self.fields}


def abilities(vendor: Vendor[Any]) -> frozenset[str]:
    """Return the optional actions that *vendor* has."""
    return frozenset(name for name in OPTIONAL if getattr(vendor, name) is not None)


def known() -> tuple[Flow, ...]:
    """Return all flows, in the order of their positions."""
    vendors = {name: flow.vendor for name, flow in every().items()}
    return tuple(
        Flow(
            **vars(descriptor),
            abilities=abilities(vendors[name]),
            may_be_unshared=vendors[name].is_shared is not None,
        )
        for name, descriptor in descriptors().items()
    )


FLOWS = known()
