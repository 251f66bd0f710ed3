"""The plain environment of a Lambda function, which the fast client is made for.

Credentials and region are in variables, and the endpoints are AWS's own or named by variables.
Where a setting is made that only boto3 knows, `FallBack` is raised, and boto3 is used.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from token_broker.records import Record, field

SERVICES: Mapping[str, str] = {
    "dynamodb": "DYNAMODB",
    "kms": "KMS",
    "secretsmanager": "SECRETS_MANAGER",
    "lambda": "LAMBDA",
    "events": "EVENTBRIDGE",
}
"""The services by their names in host names, with those in variables for endpoints."""

_OTHERS = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",  # SnapStart's credentials expire and are renewed
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
)
_AUTHORITIES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_FLAGS = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")

_COMPASS = "north|south|east|west|central|northeast|southeast|northwest|southwest"
_REGION = re.compile(rf"(af|ap|ca|eu|il|me|mx|sa|us)-({_COMPASS})-\d")
"""Regions of the partition whose domain is amazonaws.com. Others have other names."""


class FallBack(Exception):
    """boto3 must be used. No caller sees this error: its text is for a debugger."""


class Credentials(Record):
    """The keys that sign requests, and their region."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(repr=False)
    region: str


class Endpoint(NamedTuple):
    """The address of a service."""

    host: str
    port: int
    is_secure: bool

    @property
    def authority(self) -> str:
        """The value of the ``host`` header."""
        usual = 443 if self.is_secure else 80
        return self.host if self.port == usual else f"{self.host}:{self.port}"


class PlainEnvironment(NamedTuple):
    """What the fast client must know of the environment."""

    credentials: Credentials
    endpoints: Mapping[str, Endpoint]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "PlainEnvironment":
        """Return what *environ* says. Raises `FallBack` for a setting that only boto3 knows."""
        names = {name for name, value in environ.items() if value}
        if names.intersection(_OTHERS) or _PROXIES.intersection(map(str.lower, names)):
            raise FallBack("a setting that only boto3 knows")
        if any(environ.get(flag, "false").lower() not in {"", "false"} for flag in _FLAGS):
            raise FallBack("an endpoint of another kind")
        credentials = _credentials(environ)
        endpoints = {name: _endpoint(environ, name, credentials.region) for name in SERVICES}
        is_secure = any(endpoint.is_secure for endpoint in endpoints.values())
        if is_secure and names.intersection(_AUTHORITIES):
            raise FallBack("other authorities")
        return cls(credentials, endpoints)


def _credentials(environ: Mapping[str, str]) -> Credentials:
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION", "")
    if (environ.get("AWS_DEFAULT_REGION") or region) != region:
        raise FallBack("two regions")
    access_key, secret_key, session_token = (
        environ.get(f"AWS_{name}", "")
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
    )
    if not (region and access_key and secret_key):
        raise FallBack("no credentials")
    return Credentials(access_key, secret_key, session_token or None, region)


def _endpoint(environ: Mapping[str, str], service: str, region: str) -> Endpoint:
    named = environ.get(f"AWS_ENDPOINT_URL_{SERVICES[service]}") or environ.get("AWS_ENDPOINT_URL")
    if named:
        return _named(named)
    if not _REGION.fullmatch(region):
        raise FallBack("another partition")
    return Endpoint(f"{service}.{region}.amazonaws.com", 443, is_secure=True)


def _named(endpoint: str) -> Endpoint:
    from urllib.parse import urlsplit  # noqa: PLC0415 (AWS's own endpoints do not need it)

    from token_broker.transport.urls import split_host  # noqa: PLC0415 (as above)

    try:
        url = urlsplit(endpoint)
        host, port = split_host(url.netloc)
    except ValueError:
        raise FallBack("an endpoint of another form") from None
    is_bare = url.path in {"", "/"} and not url.query and not url.fragment
    if url.scheme not in {"http", "https"} or not is_bare or ":" in host:
        raise FallBack("an endpoint of another form")
    is_secure = url.scheme == "https"
    return Endpoint(host, port or (443 if is_secure else 80), is_secure)
