"""Requests signed with botocore's signer."""

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from token_broker_local.addresses import ACCESS_KEY, REGION, SECRET_KEY
from token_broker_local.messages import HttpRequest

LOCAL = Credentials(ACCESS_KEY, SECRET_KEY)
HOST = "127.0.0.1:8080"


def signed(
    method: str = "POST",
    target: str = "/v1/vntana/demo/token",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    credentials: Credentials = LOCAL,
    service: str = "execute-api",
    region: str = REGION,
    host: str = HOST,
) -> HttpRequest:
    """Return a request that was signed now."""
    request = AWSRequest(method, f"http://{host}{target}", headers or {}, body)
    request.headers["Host"] = host
    SigV4Auth(credentials, service, region).add_auth(request)
    path, _, query = target.partition("?")
    return HttpRequest(method, path, query, [*request.headers.items()], body)
