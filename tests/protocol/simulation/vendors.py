"""The simulated vendor of each flow."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from tests import subjects
from tests.protocol.simulation.generic_user import generic_user
from tests.protocol.simulation.plans import FlowName
from tests.protocol.simulation.vendor import Vendor


def vendor_of(flow: FlowName) -> type[Vendor]:
    """Return the class in the module ``<flow>_user``; a generic one if there is no such module."""
    name = f"{__package__}.{flow}_user"
    if find_spec(name) is None:
        return generic_user(flow)
    vendor: type[Vendor] = getattr(import_module(name), flow.capitalize())
    return vendor


VENDORS: Mapping[FlowName, type[Vendor]] = {flow: vendor_of(flow) for flow in subjects.FLOWS}
