"""The secret of an editor connection, and the URL that opens the editor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from token_broker.document import Document
from token_broker.errors import NotConfigured
from token_broker.exchange import sendable
from token_broker.flows.vendor import pinned
from token_broker.transport import urls

TOKEN_URL = "https://tokens.kudo.graebert.com"  # noqa: S105 (an address)
PLACE = "{token}"
"""Stands for the token in `editor_url`. Without it, the token is added to the query."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key, two URLs, and default parameters for each editor of this connection."""

    api_key: str = field(repr=False)
    editor_url: str = field(repr=False)
    token_url: str = TOKEN_URL
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    required: tuple[str, ...] = ("userId",)
    verify_header: str = "x-api-token"
    reuse: bool = True
    pinned: tuple[str, ...] = ()

    @classmethod
    def parse(cls, secret: object) -> "Credentials":
        """Read a secret. Raises `NotConfigured`, which names the wrong key."""
        members = Document(secret, NotConfigured)
        options = members.document("options")
        parameters = members.mapping("parameters")
        credentials = cls(
            api_key=members.text("api_key").strip(),
            editor_url=_editor_url(members),
            token_url=urls.base_url(members.text("token_url", TOKEN_URL), "token_url"),
            parameters=parameters,
            required=tuple(members.texts("required", ["userId"])),
            verify_header=options.choice("verify_header", "x-api-token", "x-api-key"),
            reuse=options.boolean("reuse", default=True),
            pinned=pinned(
                members, parameters, "may name parameters that the secret gives a value for"
            ),
        )
        options.finish()
        members.finish()
        if not sendable(credentials.api_key):
            raise members.wrong("api_key", "must be printable ASCII")
        return credentials

    @property
    def pins(self) -> dict[str, Any]:
        """The parameters that callers may not choose, with their values."""
        return {name: self.parameters[name] for name in self.pinned}

    @property
    def base_url(self) -> str:
        """The editor's URL without query, fragment and token."""
        parts = urlsplit(self.editor_url)._replace(query="", fragment="")
        return parts.geturl().replace(PLACE, "").rstrip("/")

    def url(self, token: str) -> str:
        """Return the URL that opens the editor with *token*."""
        quoted = quote(token, safe="")
        if PLACE in self.editor_url:
            return self.editor_url.replace(PLACE, quoted)
        parts = urlsplit(self.editor_url)
        query = "&".join(part for part in (parts.query, f"apitoken={quoted}") if part)
        return parts._replace(query=query).geturl()


def _editor_url(members: Document) -> str:
    url = members.text("editor_url").strip()
    try:
        urls.split_url(url.replace(PLACE, "token"))
    except ValueError as error:
        raise members.wrong("editor_url", str(error)) from None
    if PLACE in urlsplit(url).netloc:
        raise members.wrong("editor_url", "has the token in its host")
    return url
