"""The vendors, by the flows that talk to them: each flow that there is."""

from collections.abc import Mapping

from tests import subjects
from tests.protocol.simulation.editor_application import Editor
from tests.protocol.simulation.generic_user import GenericUser, generic_user
from tests.protocol.simulation.plans import FlowName
from tests.protocol.simulation.vendorlink_user import Vendorlink
from tests.protocol.simulation.vntana_user import Vntana

OF_THEIR_OWN: Mapping[FlowName, type[Vendorlink | Vntana | Editor]] = {
    "vendorlink": Vendorlink,
    "vntana": Vntana,
    "editor": Editor,
}
GENERIC: Mapping[FlowName, type[GenericUser]] = {
    flow: generic_user(flow) for flow in subjects.FLOWS if flow not in OF_THEIR_OWN
}
VENDORS: Mapping[FlowName, type[Vendorlink | Vntana | Editor | GenericUser]] = {
    **OF_THEIR_OWN,
    **GENERIC,
}
