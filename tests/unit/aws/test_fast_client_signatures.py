"""The signer, against botocore's."""

import datetime as dt

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from token_broker.aws.endpoints import Credentials
from token_broker.aws.fast_client import authorization

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(
    method=st.sampled_from(["GET", "POST"]),
    path=st.sampled_from(["/", "/a/b", "/%E1%88%B4", "/arn%3Aaws"]),
    body=st.binary(max_size=200),
    key=st.builds(
        Credentials,
        st.just("AKID"),
        printable,
        st.none() | printable,
        st.sampled_from(["eu-west-1", "us-east-1"]),
    ),
    service=st.sampled_from(["dynamodb", "kms"]),
    at=st.datetimes(dt.datetime(2015, 1, 1), dt.datetime(2099, 1, 1)),  # noqa: DTZ001 (of UTC)
    target=st.lists(printable, min_size=1, max_size=3).map("  ".join),
)
def test_signatures_agree_with_botocore(
    *,
    method: str,
    path: str,
    body: bytes,
    key: Credentials,
    service: str,
    at: dt.datetime,
    target: str,
) -> None:
    """For any request, credentials and time. The path is encoded twice in the signed text.

    Blanks within a header are folded.
    """
    ours = {
        "host": f"{service}.{key.region}.amazonaws.com",
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": target,
        "x-amz-date": at.strftime(SIGV4_TIMESTAMP),
    } | ({"x-amz-security-token": key.session_token} if key.session_token else {})
    request = AWSRequest(method, f"https://{ours['host']}{path}", dict(ours), body)
    request.context["timestamp"] = ours["x-amz-date"]
    known = BotocoreCredentials("AKID", key.secret_key, key.session_token)
    signer = SigV4Auth(known, service, key.region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    encoded = path.replace("%", "%25")
    assert authorization(key, service, ours, body, method=method, path=encoded) == (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, "
        f"SignedHeaders={';'.join(sorted(ours))}, Signature={signer.signature(text, request)}"
    )


def test_the_repr_of_credentials_has_no_secret() -> None:
    assert "secret" not in repr(Credentials("AKID", "secret", "secret", "eu-west-1"))
