"""The simulated vendor of each flow."""

from collections.abc import Mapping

from tests import subjects
from tests.protocol.simulation.editor_application import Editor
from tests.protocol.simulation.generic_user import generic_user
from tests.protocol.simulation.plans import FlowName
from tests.protocol.simulation.vendor import Vendor
from tests.protocol.simulation.vendorlink_user import Vendorlink
from tests.protocol.simulation.vntana_user import Vntana

OF_THEIR_OWN: dict[FlowName, type[Vendor]] = {
    "vendorlink": Vendorlink,
    "vntana": Vntana,
    "editor": Editor,
}
VENDORS: Mapping[FlowName, type[Vendor]] = OF_THEIR_OWN | {
    flow: generic_user(flow) for flow in subjects.FLOWS if flow not in OF_THEIR_OWN
}
