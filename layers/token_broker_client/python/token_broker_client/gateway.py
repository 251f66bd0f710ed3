"""The channel through the broker's API: HTTPS, signed by AWS Signature Version 4."""

import json
import os
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

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

AWS_HOST = re.compile(
    r".+\.execute-api\.([a-z0-9-]+)\.(?:amazonaws\.com|vpce\.amazonaws\.com|amazonaws\.com\.cn)"
)
"""API Gateway's own names, which have the region. A custom domain has none."""
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
ADDRESS = re.compile(
    rf"(https?)://({LABEL}(?:\.{LABEL})*|\[[0-9a-f:.]+\])\.?(:[1-9][0-9]{{0,4}})?(/[!-\"$->@-~]*)?",
    re.IGNORECASE | re.ASCII,
)
"""Scheme, host, port and path. A dot after the host is not in the `Host` that urllib3 sends."""
LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]")
LARGEST_PORT = 65535
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
        found = ADDRESS.fullmatch(url.strip()) if isinstance(url, str) else None
        scheme, host, port, path = found.groups("") if found else ("", "", "", "")
        scheme, host = scheme.lower(), host.lower()
        is_safe = scheme == "https" or LOOPBACK.fullmatch(host)
        if not found or not is_safe or int(port[1:] or 0) > LARGEST_PORT:
            raise InvalidRequest("the URL must begin with https:// and a host, and may have a path")
        named = AWS_HOST.fullmatch(host)
        path = path.rstrip("/")
        base = path.removesuffix("/v1").rstrip("/")
        if base or not named:  # else it is a stage of API Gateway's
            path = base
        region = region_of(named[1] if named else None, region, session)
        return cls(f"{scheme}://{host}{port}{path}", region, session)

    def call(self, command: Command, deadline: Deadline) -> dict[str, Any]:
        """Return the API's answer to *command*."""
        method, rest = ROUTES[command.action]
        url = f"{self.url}/v1/{command.flow}/{command.connection}{rest}"
        body = json.dumps(command.body).encode() if command.body else b""
        headers = {"Content-Type": "application/json"} | team_key()
        request = AWSRequest(method, url, headers, body)
        reply = identity.send(request, self.session, "execute-api", self.region, deadline)
        document = decoded(reply.content)
        if reply.status == HTTPStatus.OK and isinstance(document, dict):
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


def region_of(named: str | None, given: str | None, session: "boto3.Session | None") -> str:
    """Return the region to sign for: the one *named* by the URL, the one *given*, or *session*'s.

    Raises `InvalidRequest` if there is none, or if the URL names another one than is *given*.
    """
    if given and not (isinstance(given, str) and REGION.fullmatch(given)):
        raise InvalidRequest("region: must be one of AWS's, like eu-west-1")
    if given and named and given != named:
        raise InvalidRequest(f"region: is not {given}, as the URL names {named}: leave it out")
    region = given or named or identity.setting(session, "region")
    if not region:
        raise InvalidRequest("the URL names no region, so give it: region=…")
    return region
