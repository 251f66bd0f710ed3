"""VNTANA's requests, and functions that read its answers."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from token_broker.errors import (
    CredentialRejected,
    UpstreamContractChanged,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import HTTP_TOO_MANY_REQUESTS, Request, Response, sendable
from token_broker.flows.vntana.credentials import Credentials
from token_broker.tokens import Token

RATE_LIMIT = "API_RATE_LIMIT_EXCEEDED"
RATE_LIMIT_SECONDS = 60
"""Seconds to wait for a rate limit without a ``retry-after``. No value is documented."""

WAIT = frozenset({RATE_LIMIT, "INTERNAL_SERVER_ERROR", "BAD_GATEWAY"})
"""Codes that ask to wait, with any status. No 429 is documented."""

BAD_CREDENTIALS = "BAD_CREDENTIALS"
"""The code for a dead token, or for a role that may not send the request."""

WRONG_WORKSPACE = "INVALID_CLIENT_UUID"
"""The code for a workspace that the organization does not have."""

WRONG_CREDENTIALS = frozenset({BAD_CREDENTIALS, "UNAUTHORIZED"})
SHUT_OUT = frozenset(
    {"CLIENT_BLOCKED", "UNAUTHORIZED_IP", "SUBSCRIPTION_NOT_FOUND", "SUBSCRIPTION_SUSPENDED"}
)
"""Codes of a refusal for another reason than the credentials, with any status."""

DEAD_TOKEN = frozenset({BAD_CREDENTIALS, "FORBIDDEN", "UNAUTHORIZED", "TOKEN_NOT_FOUND"})
CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


def has_failed(response: Response) -> bool:
    """Say whether an answer is a failure. Some failures have status 200."""
    return not response.is_success or response.members().get("success") is False


def codes_of(response: Response) -> list[str]:
    """Return the error codes of an answer: strings, or objects with a message or a code."""
    errors = response.members().get("errors")
    codes: list[str] = []
    for error in errors if isinstance(errors, list) else [errors]:
        texts = [error.get("message"), error.get("code")] if isinstance(error, dict) else [error]
        codes += [text for text in texts if isinstance(text, str) and CODE.fullmatch(text)]
    return codes


def refuses_token(response: Response) -> bool:
    """Say whether an answer refuses the request's token, and for no other reason."""
    codes = set(codes_of(response))
    if response.is_unavailable or codes & (WAIT | SHUT_OUT) or not has_failed(response):
        return False
    has_no_reason = response.status == 403 and not codes  # noqa: PLR2004 (HTTP's)
    is_refusal = response.status == 401 or codes & DEAD_TOKEN or has_no_reason  # noqa: PLR2004 (HTTP's)
    return bool(is_refusal) and not response.is_html


def login_checked(response: Response) -> None:
    """Raise the error of a failed login. Both 401 and 403 are documented for a wrong password."""
    if has_failed(response) and not response.is_html and _rejects(response):
        raise CredentialRejected(
            "login: refused", upstream_status=response.status, upstream_code=_first(response)
        )
    checked(response, "login")


def checked(response: Response, step: str) -> Response:
    """Return *response* if it is a documented success; raise the error that it means otherwise."""
    if not has_failed(response):
        if response.content.strip():
            response.object(step)
        return response
    codes = codes_of(response)
    if WAIT & set(codes):
        default = RATE_LIMIT_SECONDS if RATE_LIMIT in codes else None
        raise UpstreamUnavailable(
            f"{step}: the upstream asks to wait",
            retry_after=response.retry_after or default,
            upstream_status=response.status,
            upstream_code=_first(response),
        )
    response.reached(step).readable(step)
    if codes or response.is_success or response.status in {401, 403}:
        raise UpstreamRefused(
            f"{step}: refused", upstream_status=response.status, upstream_code=_first(response)
        )
    raise UpstreamContractChanged(
        f"{step}: unexpected status {response.status}", upstream_status=response.status
    )


def token_of(response: Response, step: str, *, in_body: bool) -> str:
    """Return the token of an answer without ``Bearer``. The header has precedence over the body."""
    found = response.headers.get("x-auth-token")
    if not found and in_body:
        answer = object_in(response.members(), "response")
        found = answer.get("token") or object_in(answer, "session").get("accessToken")
    text = found.strip() if isinstance(found, str) else ""
    token = re.sub(r"^bearer(\s+|$)", "", text, flags=re.IGNORECASE)
    if not sendable(token) or " " in token:
        raise UpstreamContractChanged(f"{step}: the answer has no token (token_missing)")
    return token


def expiry_of(response: Response, now: int) -> int | None:
    """Return the second in ``session.expiration``; None if it is absent, unreadable or past.

    VNTANA writes times without a zone and with up to six decimals.
    """
    session = object_in(object_in(response.members(), "response"), "session")
    text = session.get("expiration")
    if not isinstance(text, str):
        return None
    with suppress(ValueError):
        moment = datetime.fromisoformat(text.strip())
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        return seconds if seconds > now else None
    return None


def _rejects(response: Response) -> bool:
    """Say whether a failed login gives the credentials as its reason, or no reason."""
    codes = set(codes_of(response))
    if codes & (WAIT | SHUT_OUT):
        return False
    if response.is_unavailable:  # a gateway that is busy or down may say UNAUTHORIZED, too
        return BAD_CREDENTIALS in codes and response.status != HTTP_TOO_MANY_REQUESTS
    if codes & WRONG_CREDENTIALS or response.status == 401:  # noqa: PLR2004 (HTTP's)
        return True
    return not codes and (response.is_success or response.status == 403)  # noqa: PLR2004 (HTTP's)


def object_in(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the member *name* of an answer; empty if it is not an object."""
    found = members.get(name)
    return found if isinstance(found, dict) else {}


def _first(response: Response) -> str | None:
    return next(iter(codes_of(response)), None)


def login(credentials: Credentials) -> Request:
    """Return the request that logs in, with a password or a key."""
    call = "login/token" if "personal-access-token" in credentials.login else "login"
    return Request(
        "POST",
        f"{credentials.base_url}/v1/auth/{call}",
        "login",
        headers={"content-type": "application/json"},
        json=dict(credentials.login),
        proves_credentials=True,
    )


def list_organizations(credentials: Credentials, token: str) -> Request:
    """Return the request that lists the account's organizations."""
    url = f"{credentials.base_url}/v1/organizations"
    return Request("GET", url, "list organizations", headers=_signed(token))


def list_workspaces(credentials: Credentials, token: str) -> Request:
    """Return the request that lists an organization's workspaces, which the API calls clients."""
    url = f"{credentials.base_url}/v1/clients/client-organizations"
    return Request("GET", url, "list workspaces", headers=_signed(token))


def enter_organization(credentials: Credentials, token: str, organization: str) -> Request:
    """Return the request for an organization's token. *token* is that of a login."""
    named = {"organizationuuid": organization}
    return _refresh(credentials, "enter organization", _signed(token) | named)


def enter_workspace(
    credentials: Credentials, token: str, organization: str, workspace: str
) -> Request:
    """Return the request for a workspace's token. *token* is that of its organization.

    VNTANA's own demo (viewer-demo, internal/platform.js) sends *only* the workspace's uuid.
    """
    named = {"organizationuuid": organization, "clientuuid": workspace}
    if credentials.workspace_headers == "client":
        del named["organizationuuid"]
    return _refresh(credentials, "enter workspace", _signed(token) | named)


def current_organization(token: Token, step: str) -> Request:
    """Return the request for the organization of *token*: ``/organizations/current`` (OpenAPI)."""
    url = f"{token.base_url}/v1/organizations/current"
    return Request("GET", url, step, headers=_signed(token.value))


def log_out(token: Token) -> Request:
    """Return the request that ends the session of *token*, at the host that made it."""
    url = f"{token.base_url}/v1/auth/logout"
    return Request("POST", url, "logout", headers=_signed(token.value))


def _refresh(credentials: Credentials, step: str, headers: Mapping[str, str]) -> Request:
    url = f"{credentials.base_url}/v1/auth/refresh-token"
    return Request(credentials.refresh_method, url, step, headers=headers)


def _signed(token: str) -> dict[str, str]:
    return {"x-auth-token": f"Bearer {token}"}
