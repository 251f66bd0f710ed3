"""The requests that VNTANA's flow is made of."""

from collections.abc import Mapping

from token_broker.exchange import Request
from token_broker.tokens import Token
from token_broker.vntana_credentials import Credentials


def login(credentials: Credentials) -> Request:
    """Return the request that logs in, by password or by key."""
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
    """Return the request for an organization's token, by the *token* of a login."""
    named = {"organizationuuid": organization}
    return _refresh(credentials, "enter organization", _signed(token) | named)


def enter_workspace(
    credentials: Credentials, token: str, organization: str, workspace: str
) -> Request:
    """Return the request for a workspace's token, by the *token* of its organization.

    VNTANA's own demo (viewer-demo, internal/platform.js) sends *only* the workspace's uuid.
    """
    named = {"organizationuuid": organization, "clientuuid": workspace}
    if credentials.workspace_headers == "client":
        del named["organizationuuid"]
    return _refresh(credentials, "enter workspace", _signed(token) | named)


def log_out(token: Token) -> Request:
    """Return the request that ends the session of *token*, at the host that it is of."""
    url = f"{token.base_url}/v1/auth/logout"
    return Request("POST", url, "logout", headers=_signed(token.value))


def _refresh(credentials: Credentials, step: str, headers: Mapping[str, str]) -> Request:
    url = f"{credentials.base_url}/v1/auth/refresh-token"
    return Request(credentials.refresh_method, url, step, headers=headers)


def _signed(token: str) -> dict[str, str]:
    return {"x-auth-token": f"Bearer {token}"}
