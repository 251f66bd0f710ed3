"""The three vendors, by the flows that talk to them."""

from collections.abc import Mapping

from tests.protocol.simulation.editor_application import Editor
from tests.protocol.simulation.plans import FlowName
from tests.protocol.simulation.vendorlink_user import Vendorlink
from tests.protocol.simulation.vntana_user import Vntana

VENDORS: Mapping[FlowName, type[Vendorlink | Vntana | Editor]] = {
    "vendorlink": Vendorlink,
    "vntana": Vntana,
    "editor": Editor,
}
