"""The channel through the broker's API: HTTPS, signed by AWS Signature Version 4."""

import ipaddress
import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest

from token_broker_client import identity
from token_broker_client.deadline import Deadline
from token_broker_client.errors import InvalidRequest
from token_broker_client.request import Action, Command, decoded, problem

if TYPE_CHECKING:
    import boto3

ROUTES: dict[Action, tuple[str, str]] = {
    "token": ("POST", "/token"),
    "status": ("GET", ""),
    "forget": ("DELETE", "/token"),
    "check": ("POST", "/check"),
    "verify": ("POST", "/verify"),
    "probe": ("POST", "/probe"),
    "hold": ("PUT", "/hold"),
    "lift": ("DELETE", "/hold"),
}
"""Method, and what follows the connection in the path."""

DOMAINS = frozenset({"amazonaws.com", "amazonaws.com.cn", "vpce.amazonaws.com"})
"""The part after the region in API Gateway's host names."""

HOST = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
PATH = re.compile(r"[!-~]*")
REGION = re.compile(r"[a-z0-9-]{1,40}")
API_KEY = re.compile(r"[!-~]{1,256}")


class Gateway(NamedTuple):
    """The broker's API at *url*. Two sessions are two callers, which share no token."""

    url: str
    region: str
    session: "boto3.Session | None"

    @classmethod
    def at(cls, url: str, region: str | None, session: "boto3.Session | None") -> "Gateway":
        """Return the API at *url*. Raises `InvalidRequest` for a wrong URL or region."""
        if not isinstance(url, str):
            raise InvalidRequest("the URL must be a text")
        address = url.strip()
        try:
            parts = urlsplit(address)
            name, colon, port = parts.netloc.partition(":")
            # As in the `Host` that urllib3 sends: another one must not be signed.
            parts = parts._replace(netloc=name.removesuffix(".") + colon + port)
            host = parts.hostname or ""
            is_plain = parts.port != 0 and not (parts.username or parts.query or parts.fragment)
        except ValueError:
            raise InvalidRequest("the URL must be one: its host or port cannot be read") from None
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
            raise InvalidRequest("the URL must begin with https://")
        if not is_host(host) or not is_plain or "@" in parts.netloc or not PATH.fullmatch(address):
            raise InvalidRequest("the URL must have a host, may have a path, and nothing else")
        region = region_of(host, region, session)
        return cls(without_version(parts.geturl().rstrip("/"), host), region, session)

    def call(self, command: Command, deadline: Deadline) -> dict[str, Any]:
        """Return the API's answer to *command*."""
        method, rest = ROUTES[command.action]
        url = f"{self.url}/v1/{command.flow}/{command.connection}{rest}"
        body = json.dumps(command.body).encode() if command.body else b""
        headers = {"Content-Type": "application/json"} | team_key()
        request = AWSRequest(method, url, headers, body)
        reply = identity.send(request, self.session, "execute-api", self.region, deadline)
        document = decoded(reply.content)
        if reply.is_ok and isinstance(document, dict):
            return document
        raise problem(document) or identity.refusal("API Gateway", reply, self.session, self.region)


def team_key() -> dict[str, str]:
    """Return the header with the team's API key, if there is one: a usage plan counts by it."""
    key = os.environ.get("TOKEN_BROKER_API_KEY")
    if not key:
        return {}
    if not API_KEY.fullmatch(key):
        raise InvalidRequest("the variable TOKEN_BROKER_API_KEY: must be printable ASCII")
    return {"x-api-key": key}


def region_of(host: str, given: str | None, session: "boto3.Session | None") -> str:
    """Return the region to sign for: that of *host*, the one *given*, or that of *session*.

    Raises `InvalidRequest` if there is none, or if *host* names another one than is *given*.
    """
    if given and not (isinstance(given, str) and REGION.fullmatch(given)):
        raise InvalidRequest("region: must be one of AWS's, like eu-west-1")
    named = region_in(host)
    if given and named and given != named:
        raise InvalidRequest(f"region: is not {given}, as the URL names {named}: leave it out")
    region = given or named or identity.setting(session, "region")
    if not region:
        raise InvalidRequest("the URL names no region, so give it: region=…")
    return region


def region_in(host: str) -> str | None:
    """Return the region in *host*. A custom domain has none."""
    region, _, domain = host.partition(".execute-api.")[2].partition(".")
    return region if domain in DOMAINS else None


def without_version(address: str, host: str) -> str:
    """Return *address* without a final ``/v1``, unless that is a stage of API Gateway's."""
    base = address.removesuffix("/v1").rstrip("/")
    is_stage = region_in(host) is not None and not urlsplit(base).path
    return address if is_stage else base


def is_host(host: str) -> bool:
    """Say whether *host* is a valid host name or an IP address."""
    try:
        return bool(HOST.fullmatch(host)) or bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Say whether *host* is a loopback host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
