"""AWS's Signature Version 4, for the kind of request that the fast client sends.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from token_broker.records import Record, field


class Credentials(Record):
    """The keys that sign requests, and their region."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(repr=False)
    region: str


def authorization(
    credentials: Credentials,
    service: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
) -> str:
    """Return the ``authorization`` header that signs all *headers* and *body*.

    The headers' names are in lower case, and ``host`` and ``x-amz-date`` are among them. *path* and
    *query* are encoded and sorted.
    """
    names = sorted(headers)
    signed = ";".join(names)
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in names]
    request = "\n".join([method, path, query, *lines, "", signed, sha256(body).hexdigest()])
    at = headers["x-amz-date"]
    scope = f"{at[:8]}/{credentials.region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, sha256(request.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    access = f"{credentials.access_key}/{scope}"
    return f"AWS4-HMAC-SHA256 Credential={access}, SignedHeaders={signed}, Signature={signature}"
