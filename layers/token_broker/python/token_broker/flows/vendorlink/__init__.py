"""Vendorlink (ISPnext)."""

from token_broker.document import Document
from token_broker.flows import Flow
from token_broker.tokens import Variant


def requested(_body: Document) -> Variant:
    """Return the only variant: a connection has one token."""
    return Variant("login")


FLOW = Flow("vendorlink", requested, "token_broker.flows.vendorlink.flow")
