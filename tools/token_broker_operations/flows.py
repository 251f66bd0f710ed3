"""The flows, for the generation of the templates and the OpenAPI document."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from token_broker.flows import every
from token_broker.flows.vendor import Vendor
from token_broker_descriptors import Descriptor, Field
from token_broker_descriptors import every as descriptors

OPTIONAL = frozenset({"verify", "check", "probe"})
"""Actions of callers that a flow has only if its vendor has the member with this name."""


class Flow(NamedTuple):
    """A flow: its descriptor, and its abilities."""

    descriptor: Descriptor
    abilities: frozenset[str] = frozenset()
    """Its actions of `OPTIONAL`: each has a route."""
    may_be_unshared: bool = False
    """Whether a connection may be set to make a token for each call."""

    @property
    def name(self) -> str:
        """As in routes, secrets and the names of functions."""
        return self.descriptor.name

    @property
    def title(self) -> str:
        """The title after "live tokens for"."""
        return self.descriptor.title

    @property
    def description(self) -> str:
        """The description of its function in AWS."""
        return self.descriptor.description

    @property
    def logical(self) -> str:
        """The name as part of a logical id."""
        return self.descriptor.logical

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that a call for a token may have besides those of every flow."""
        return self.descriptor.fields

    @property
    def request(self) -> Mapping[str, Any]:
        """The schemas of these fields."""
        return {field.name: field.schema for field in self.fields}

    @property
    def answer(self) -> Mapping[str, Any]:
        """The schema of its additional response members."""
        return self.descriptor.answer


def abilities(vendor: Vendor[Any]) -> frozenset[str]:
    """Return the optional actions that *vendor* has."""
    return frozenset(name for name in OPTIONAL if getattr(vendor, name) is not None)


def known() -> tuple[Flow, ...]:
    """Return all flows, in the order of their positions."""
    vendors = {name: flow.vendor for name, flow in every().items()}
    return tuple(
        Flow(one, abilities(vendors[one.name]), vendors[one.name].is_shared is not None)
        for one in descriptors().values()
    )


FLOWS = known()
