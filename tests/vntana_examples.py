"""An account of VNTANA's, its answers, and what is kept of them."""

from typing import Any

from tests.conversations import NOW, answer
from token_broker.exchange import ResolvedTo, Response
from token_broker.flows.vntana.credentials import Credentials
from token_broker.tokens import Token, Variant

BASE = "https://api-platform.vntana.com"
ORG = "0a000000-0000-4000-8000-000000000001"
SPACE = "0b000000-0000-4000-8000-000000000002"
PASSWORD = Credentials({"email": "broker@example.com", "password": 'correct "horse"'})
KEY = Credentials({"personal-access-token": "key/with+signs=="})

ASKED = Variant("asked", {"organization": None, "workspace": None})
IN_ORGANIZATION = Variant("organization", {"organization": ORG})
IN_WORKSPACE = Variant("workspace", {"organization": ORG, "workspace": SPACE})


def row(uuid: str = ORG, slug: str = "acme", role: object = "ORGANIZATION_ADMIN") -> dict[str, Any]:
    return {"uuid": uuid, "slug": slug, "name": slug.title(), "role": role, "imageBlobId": ""}


def grid(*rows: object, total: object = None) -> Response:
    listed = {"totalCount": len(rows) if total is None else total, "grid": list(rows)}
    return answer({"success": True, "errors": [], "response": listed})


def with_token(value: str, **response: object) -> Response:
    body = {"success": True, "errors": [], "response": {"email": "broker@example.com"} | response}
    return answer(body, x_auth_token=value)


def refused(status: int, *codes: str) -> Response:
    return answer({"success": False, "errors": list(codes)}, status)


def listing(*rows: dict[str, Any], at: int = NOW, handoff: dict[str, str] | None = None) -> Token:
    """Return a listing as it is kept."""
    context = {"rows": [[r["uuid"], r["slug"], r["role"]] for r in rows], "total": len(rows)}
    return Token(f"listing/{at}", {}, BASE, at, at + 1, context, handoff=handoff or {})


def organization_token(value: str = "org/1") -> Token:
    context = {"organization": ORG, "workspace": None, "role": "CLIENT_ORGANIZATION_ADMIN"}
    return Token(value, {"X-AUTH-TOKEN": f"Bearer {value}"}, BASE, NOW, NOW + 9, context)


GUEST = row(role="CLIENT_ORGANIZATION_VIEWER")
TO_ORGANIZATION = ResolvedTo(IN_ORGANIZATION, {"role": "ORGANIZATION_ADMIN"})
TO_WORKSPACE = ResolvedTo(IN_WORKSPACE)
