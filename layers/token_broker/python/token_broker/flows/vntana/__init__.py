"""VNTANA."""

from token_broker.document import Document
from token_broker.flows import Flow
from token_broker.tokens import Variant


def requested(body: Document) -> Variant:
    """Return the requested variant, with the names exactly as in the call."""
    names = {name: body.optional_text(name) for name in ("organization", "workspace")}
    return Variant("asked", names)


FLOW = Flow("vntana", requested, "token_broker.flows.vntana.flow")
