"""Signs schemathesis' requests to the local gateway, as callers do."""

import os

import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SIGNED_HEADERS = {"content-type", "x-amz-content-sha256"}


class Signed(requests.auth.AuthBase):
    """Signs with the local system's well-known credentials."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return *request* with a signature over its path, query, body and host."""
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else body
        headers = {k: v for k, v in request.headers.items() if k.lower() in SIGNED_HEADERS}
        aws = AWSRequest(request.method, request.url, headers, content)
        signer = Credentials(os.environ["FUZZ_ACCESS_KEY"], os.environ["FUZZ_SECRET_KEY"])
        SigV4Auth(signer, "execute-api", os.environ["FUZZ_REGION"]).add_auth(aws)
        request.headers.update(dict(aws.headers.items()))
        return request


schemathesis.auth.set_from_requests(Signed())
