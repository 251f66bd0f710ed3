"""Callers of the local system: requests signed with botocore's signer, and clients of boto3."""

import json
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from tests.waiting import PATIENCE_SECONDS
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
    host: str = HOST,
) -> HttpRequest:
    """Return a request that was signed now."""
    request = AWSRequest(method, f"http://{host}{target}", headers or {}, body)
    request.headers["Host"] = host
    SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
    path, _, query = target.partition("?")
    return HttpRequest(method, path, query, [*request.headers.items()], body)


def answer_to(port: int, request: HttpRequest) -> tuple[int, Any]:
    """Send *request* over HTTP, and return status and document of the answer."""
    with closing(HTTPConnection("127.0.0.1", port, PATIENCE_SECONDS)) as connection:
        target = f"{request.path}?{request.query}" if request.query else request.path
        connection.request(request.method, target, request.body, dict(request.headers))
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def client(service: Any, url: str) -> Any:
    """Return boto3's client of a *service* at *url*, with one attempt."""
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )
