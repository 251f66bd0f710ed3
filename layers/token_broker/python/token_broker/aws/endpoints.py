"""Whether the environment is the plain one of a Lambda function, which the fast read is made for.

Credentials and region in variables, and AWS's own endpoints or ones that variables name. All that
boto3 knows besides is for boto3: `Unsuited` says so.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from token_broker.aws.sigv4 import Credentials

SERVICES = ("dynamodb", "kms")

_OTHERS = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",  # SnapStart's: they expire, and are asked for again
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
"""Regions of the partition whose domain is amazonaws.com. Others have names of another form."""


class Unsuited(Exception):
    """Ask through boto3. Never leaves the package, so its text is for debuggers."""


class Endpoint(NamedTuple):
    """Where a service answers."""

    host: str
    port: int
    is_secure: bool

    @property
    def authority(self) -> str:
        """The value of the ``host`` header."""
        usual = 443 if self.is_secure else 80
        return self.host if self.port == usual else f"{self.host}:{self.port}"


class Surroundings(NamedTuple):
    """What the fast read has to know of the environment."""

    credentials: Credentials
    endpoints: Mapping[str, Endpoint]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Surroundings":
        """Return what *environ* says. Raises `Unsuited` if it says more than is understood."""
        said = {name for name, value in environ.items() if value}
        if said.intersection(_OTHERS) or _PROXIES.intersection(map(str.lower, said)):
            raise Unsuited("a setting for boto3")
        if any(environ.get(flag, "false").lower() not in {"", "false"} for flag in _FLAGS):
            raise Unsuited("an endpoint of another kind")
        credentials = _credentials(environ)
        endpoints = {name: _endpoint(environ, name, credentials.region) for name in SERVICES}
        is_secure = any(endpoint.is_secure for endpoint in endpoints.values())
        if is_secure and said.intersection(_AUTHORITIES):
            raise Unsuited("authorities of its own")
        return cls(credentials, endpoints)


def _credentials(environ: Mapping[str, str]) -> Credentials:
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION", "")
    if (environ.get("AWS_DEFAULT_REGION") or region) != region:
        raise Unsuited("two regions")
    access_key, secret_key, session_token = (
        environ.get(f"AWS_{name}", "")
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
    )
    if not (region and access_key and secret_key):
        raise Unsuited("no credentials")
    return Credentials(access_key, secret_key, session_token or None, region)


def _endpoint(environ: Mapping[str, str], service: str, region: str) -> Endpoint:
    named = environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environ.get("AWS_ENDPOINT_URL")
    if named:
        return _named(named)
    if not _REGION.fullmatch(region):
        raise Unsuited("another partition")
    return Endpoint(f"{service}.{region}.amazonaws.com", 443, is_secure=True)


def _named(endpoint: str) -> Endpoint:
    from urllib.parse import urlsplit  # noqa: PLC0415 (AWS's own endpoints do without)

    from token_broker.transport.urls import split_host  # noqa: PLC0415 (as above)

    try:
        url = urlsplit(endpoint)
        host, port = split_host(url.netloc)
    except ValueError:
        raise Unsuited("an endpoint of another form") from None
    is_bare = url.path in {"", "/"} and not url.query and not url.fragment
    if url.scheme not in {"http", "https"} or not is_bare or ":" in host:
        raise Unsuited("an endpoint of another form")
    is_secure = url.scheme == "https"
    return Endpoint(host, port or (443 if is_secure else 80), is_secure)
