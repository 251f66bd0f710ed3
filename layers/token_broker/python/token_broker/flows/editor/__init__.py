"""The ARES Kudo editor."""

from token_broker.document import Document
from token_broker.flows import Flow
from token_broker.tokens import Variant


def requested(body: Document) -> Variant:
    """Return the requested variant: one exact set of parameters, unchanged."""
    return Variant("parameters", {"parameters": body.mapping("parameters")})


FLOW = Flow("editor", requested, "token_broker.flows.editor.flow")
