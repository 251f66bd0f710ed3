"""The way to the broker through its API: HTTPS, signed with AWS's signature, version 4."""

import ipaddress
import json
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from requests.auth import AuthBase

from token_broker_client import identity
from token_broker_client.entrances import Action, Order, problem
from token_broker_client.errors import AccessDenied, BrokerError, Unreachable

if TYPE_CHECKING:
    import boto3

ROUTES: dict[Action, tuple[str, str]] = {
    "token": ("POST", "/token"),
    "status": ("GET", ""),
    "forget": ("DELETE", "/token"),
    "verify": ("POST", "/verify"),
}
"""Method, and what follows the connection in the path."""

CONNECT_SECONDS = 5.0

SIGNED = ("Content-Type", "x-api-key")
"""Headers that are signed, beside those that the signature brings."""

DOMAINS = frozenset({"amazonaws.com", "amazonaws.com.cn", "vpce.amazonaws.com"})
"""What follows the region in API Gateway's own host names."""


class Gateway(NamedTuple):
    """The broker's API at *url*. Who has another *session* is another caller."""

    url: str
    region: str
    session: "boto3.Session | None"

    @classmethod
    def at(cls, url: str, region: str | None, session: "boto3.Session | None") -> "Gateway":
        """Return the API at *url*; raise `ValueError` if it cannot be there."""
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
            raise ValueError("the URL must begin with https://")
        if not host or parts.username or parts.query or parts.fragment:
            raise ValueError("the URL must have a host, and may have a path, and no more")
        region = region or region_in(host) or identity.region(session)
        if not region:
            raise ValueError("the URL names no region, so give it: region=…")
        return cls(url.strip().rstrip("/").removesuffix("/v1"), region, session)

    def call(self, order: Order, seconds: float) -> dict[str, Any]:
        """Return what the API answers to *order*."""
        method, rest = ROUTES[order.action]
        try:
            response = connections(os.getpid()).request(
                method,
                f"{self.url}/v1/{order.flow}/{order.connection}{rest}",
                data=json.dumps(order.body).encode() if order.body else None,
                headers={"Content-Type": "application/json"} | team_key(),
                auth=Signature(self),
                timeout=(min(seconds, CONNECT_SECONDS), seconds),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Not its text, which may hold what was sent.
            what = type(error).__name__
            raise Unreachable(f"the API at {urlsplit(self.url).netloc}: {what}") from None
        return answered(response)


class Signature(AuthBase):
    """Signs a request to the API; given to each, so that no ~/.netrc takes its place."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the signature's headers."""
        told = {name: prepared.headers[name] for name in SIGNED if name in prepared.headers}
        signed = AWSRequest(prepared.method, prepared.url, told, prepared.body or b"")
        credentials = identity.credentials(self._gateway.session)
        SigV4Auth(credentials, "execute-api", self._gateway.region).add_auth(signed)
        prepared.headers.update(signed.headers.items())
        return prepared


def team_key() -> dict[str, str]:
    """Return the key of the caller's team, where the API counts by keys: beside the signature."""
    key = os.environ.get("TOKEN_BROKER_API_KEY")
    return {"x-api-key": key} if key else {}


@lru_cache(maxsize=1)
def connections(process: int) -> requests.Session:  # noqa: ARG001 (only tells processes apart)
    """Return the connections of a process: one that was forked must not use its parent's."""
    return requests.Session()


def answered(response: requests.Response) -> dict[str, Any]:
    """Return the broker's answer, or raise what else it is."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if response.status_code == requests.codes.ok and isinstance(document, dict):
        return document
    raise problem(document) or refusal(response)


def refusal(response: requests.Response) -> BrokerError:
    """Return what an answer means that API Gateway gives itself.

    Its text is kept back: where a signature is wrong, it repeats headers of the request.
    """
    status = response.status_code
    kind = response.headers.get("x-amzn-ErrorType", "").partition(":")[0]
    named = f"{status} {kind}".strip()
    if status == requests.codes.forbidden:
        return AccessDenied(f"API Gateway refused the call ({named})")
    error = Unreachable(f"API Gateway answered {named}, not the broker")
    error.status = status
    error.retryable = status == requests.codes.too_many_requests or status >= 500  # noqa: PLR2004 (HTTP's)
    return error


def region_in(host: str) -> str | None:
    """Return the region that *host* names; a domain of one's own has none in it."""
    region, _, domain = host.partition(".execute-api.")[2].partition(".")
    return region if domain in DOMAINS else None


def is_loopback(host: str) -> bool:
    """Say whether *host* is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
