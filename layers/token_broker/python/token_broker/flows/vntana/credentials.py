"""The secret of a VNTANA connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from token_broker.document import Document
from token_broker.errors import NotConfigured
from token_broker.flows.vendor import pinned
from token_broker.transport import urls

BASE_URL = "https://api-platform.vntana.com"

LIFETIME = 86_400
"""Seconds that a token is kept. The help centre says 30 days."""

LONGEST_LIFETIME = 30 * 86_400
"""The largest `lifetime`, in seconds. A larger one in the secret is reduced to this."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login, its defaults, and an option for each contradiction in VNTANA's documentation."""

    login: Mapping[str, str] = field(repr=False)
    """The body of the login: e-mail and password, or the personal access token."""
    organization: str | None = None
    workspace: str | None = None
    base_url: str = BASE_URL
    refresh_method: str = "POST"
    workspace_headers: str = "both"
    token_from_body: bool = False
    lifetime: int = LIFETIME
    pinned: tuple[str, ...] = ()

    @classmethod
    def parse(cls, secret: object) -> "Credentials":
        """Read a secret. Raises `NotConfigured`, which names the wrong key."""
        members = Document(secret, NotConfigured)
        options = members.document("options")
        base_url = members.text("base_url", BASE_URL)
        organization = members.optional_text("organization")
        workspace = members.optional_text("workspace")
        credentials = cls(
            login=_login(members),
            organization=organization,
            workspace=workspace,
            base_url=urls.base_url(base_url, "base_url", without="/v1"),
            refresh_method=options.choice("refresh_method", "POST", "GET"),
            workspace_headers=options.choice("workspace_headers", "both", "client"),
            token_from_body=options.boolean("token_from_body", default=False),
            pinned=_pinned(members, {"organization": organization, "workspace": workspace}),
            lifetime=min(options.seconds("lifetime", LIFETIME) or LIFETIME, LONGEST_LIFETIME),
        )
        options.finish()
        members.finish()
        return credentials

    @property
    def pins(self) -> dict[str, str | None]:
        """The fields that callers may not choose, with their values."""
        given = {"organization": self.organization, "workspace": self.workspace}
        return {name: given[name] for name in self.pinned}


def _pinned(members: Document, given: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the pinned fields. A pinned workspace needs a pinned organization."""
    rule = "may name organization and workspace, where the secret gives a value for them"
    names = pinned(members, given, rule)
    if "workspace" in names and "organization" not in names:
        raise members.wrong("pinned", "has workspace without organization")
    return names


def _login(members: Document) -> dict[str, str]:
    """Return the body of the login. A secret has one of the two kinds."""
    key = members.optional_text("personal_access_token")
    email, password = members.optional_text("email"), members.optional_text("password")
    if key and (email or password):
        raise members.wrong("personal_access_token", "two kinds of login: remove it, or the other")
    if key:
        return {"personal-access-token": key}
    if not email and not password:
        raise members.wrong("personal_access_token", "is missing, and so are email and password")
    if not email or not password:
        raise members.wrong("password" if email else "email", "is missing")
    return {"email": email, "password": password}
