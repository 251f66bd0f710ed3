"""ARES Kudo editor: a session token for one exact set of editor parameters.

    POST /generate  x-api-key, the parameters  -> token, expiration_time (seconds since the epoch)
    GET  /verify    x-api-token                -> the parameters, and auth

Documented at https://graebert.atlassian.net/wiki/x/U4CJRg ("Process to request token") and
https://graebert.atlassian.net/wiki/x/iYARcw; the query's name, ``apitoken``, at
https://graebert.atlassian.net/wiki/spaces/KUDOPARTNER/pages/1180008643/Editor+parameters.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from token_broker import addresses
from token_broker.document import Document
from token_broker.errors import (
    CredentialRejected,
    InvalidRequest,
    NotConfigured,
    UpstreamContractChanged,
    UpstreamRefused,
)
from token_broker.exchange import Conversation, Exchange, Request, Response, sendable
from token_broker.tokens import Token
from token_broker.variants import Variant

NAME = "editor"
TOKEN_KINDS = frozenset({"parameters"})
REFUSALS = frozenset({401, 403})
"""Statuses of a wrong key. 403 is documented; its text looks like JSON and is none."""

MILLISECONDS = 10**12
"""An expiration beyond this is counted in milliseconds: in seconds it is the year 33658."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the secret of a connection holds."""

    api_key: str = field(repr=False)
    editor_url: str = field(repr=False)
    token_url: str = "https://tokens.kudo.graebert.com"  # noqa: S105 (an address)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    required: tuple[str, ...] = ("userId",)
    verify_header: str = "x-api-token"
    reuse: bool = True

    @classmethod
    def parse(cls, secret: object) -> "Credentials":
        """Read a secret. Raises `NotConfigured` naming the key that is wrong."""
        members = Document(secret, NotConfigured)
        options = members.document("options")
        credentials = cls(
            api_key=members.text("api_key").strip(),
            editor_url=members.text("editor_url").strip(),
            token_url=addresses.base_url(
                members.text("token_url", "https://tokens.kudo.graebert.com"), "token_url"
            ),
            parameters=members.mapping("parameters"),
            required=tuple(members.texts("required", ["userId"])),
            verify_header=options.choice("verify_header", "x-api-token", "x-api-key"),
            reuse=options.boolean("reuse", default=True),
        )
        options.finish()
        members.finish()
        if not sendable(credentials.api_key):
            raise members.wrong("api_key", "must be printable ASCII")
        addresses.base_url(credentials.base_url, "editor_url")
        return credentials

    @property
    def base_url(self) -> str:
        """The editor's address without query, fragment and token."""
        bare = self.editor_url.split("#")[0].split("?")[0]
        return bare.replace("{token}", "").rstrip("/")

    def url(self, token: str) -> str:
        """Return the address that opens the editor: ``{token}`` filled, else in the query."""
        quoted = quote(token, safe="")
        if "{token}" in self.editor_url:
            return self.editor_url.replace("{token}", quoted)
        parts = urlsplit(self.editor_url)
        query = "&".join(part for part in (parts.query, f"apitoken={quoted}") if part)
        return parts._replace(query=query).geturl()


def asked(body: Document) -> Variant:
    """Return what a call asks for: one exact set of parameters, passed on unchanged."""
    return Variant("parameters", {"parameters": body.mapping("parameters")})


def settle(credentials: Credentials, variant: Variant) -> Variant:
    """Return *variant* with the secret's defaults for the parameters it does not name."""
    parameters = dict(credentials.parameters) | dict(variant.inputs["parameters"])
    missing = [name for name in credentials.required if parameters.get(name) in (None, "")]
    if missing:
        raise InvalidRequest(f"parameters.{missing[0]}: is missing")
    return Variant("parameters", {"parameters": parameters})


def is_shared(credentials: Credentials) -> bool:
    """Say whether callers with the same parameters may share a token."""
    return credentials.reuse


def exchange(
    credentials: Credentials,
    variant: Variant,
    now: int,
    kept: Token | None = None,
) -> Exchange:
    """Generate a token for the parameters of *variant*. There is no renewal."""
    del kept
    response: Response = yield Request(
        "POST",
        f"{credentials.token_url}/generate",
        "generate",
        headers={"content-type": "application/json", "x-api-key": credentials.api_key},
        json=variant.inputs["parameters"],
    )
    answer = _checked(response, "generate").object("generate")
    value = answer.get("token")
    if not sendable(value):
        raise UpstreamContractChanged("generate: the answer has no token that can be sent")
    return Token(
        value=value,
        headers={"x-api-token": value},
        base_url=credentials.base_url,
        issued_at=now,
        expires_at=_expiry(answer.get("expiration_time"), now),
        url=credentials.url(value),
    )


def verify(credentials: Credentials, token: str) -> Conversation[dict[str, Any] | None]:
    """Ask what *token* stands for; None where the vendor does not know it, or no longer."""
    response: Response = yield Request(
        "GET",
        f"{credentials.token_url}/verify",
        "verify",
        headers={"content-type": "application/json", credentials.verify_header: token},
    )
    if response.status in REFUSALS:
        return None
    return _checked(response, "verify").object("verify")


def log_out(credentials: Credentials, token: Token) -> Exchange | None:
    """Return None: the vendor documents no way to end a session."""
    del credentials, token
    return None


def _checked(response: Response, step: str) -> Response:
    """Return *response* if it is a success."""
    response.reached(step)
    status = response.status
    if status in REFUSALS:
        raise CredentialRejected(f"{step}: the key was refused", upstream_status=status)
    if 400 <= status < 500:  # noqa: PLR2004 (the class of statuses that means "refused")
        raise UpstreamRefused(f"{step}: refused with {status}", upstream_status=status)
    if not response.is_success:
        raise UpstreamContractChanged(f"{step}: unexpected status {status}", upstream_status=status)
    return response


def _expiry(value: object, now: int) -> int:
    """Return the second at which a token ends: a number, in a text if need be, in the future."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if isinstance(value, bool) or not math.isfinite(seconds):
        raise UpstreamContractChanged("generate: expiration_time is not a number of seconds")
    expires_at = int(seconds / 1000 if seconds > MILLISECONDS else seconds)
    if expires_at <= now:
        raise UpstreamContractChanged("generate: expiration_time is past")
    return expires_at
