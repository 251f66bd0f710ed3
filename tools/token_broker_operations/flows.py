"""The flows, for the generation of the templates and the OpenAPI document."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from token_broker.flows import every
from token_broker_descriptors import Descriptor, Field
from token_broker_descriptors import every as descriptors


class Flow(NamedTuple):
    """A flow: its descriptor, and its abilities."""

    descriptor: Descriptor
    abilities: frozenset[str] = frozenset()
    """Its optional actions: each has a route."""
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


def known() -> tuple[Flow, ...]:
    """Return all flows, in the order of their positions."""
    vendors = {name: flow.vendor for name, flow in every().items()}
    return tuple(
        Flow(one, vendors[one.name].abilities, vendors[one.name].is_shared is not None)
        for one in descriptors().values()
    )


FLOWS = known()
