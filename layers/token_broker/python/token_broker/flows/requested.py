"""What a call asks for, flow by flow: of a flow, this alone is needed to hand out a kept token."""

from token_broker.document import Document
from token_broker.tokens import Variant


def vntana(body: Document) -> Variant:
    """Return what a call asks for, as it spells it; the secret has the defaults."""
    return Variant(
        "asked", {name: body.optional_text(name) for name in ("organization", "workspace")}
    )


def vendorlink(body: Document) -> Variant:
    """Return what a call asks for: a connection has one token only."""
    del body
    return Variant("login")


def editor(body: Document) -> Variant:
    """Return what a call asks for: one exact set of parameters, passed on unchanged."""
    return Variant("parameters", {"parameters": body.mapping("parameters")})
