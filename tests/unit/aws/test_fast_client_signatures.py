"""The signer, against the values that AWS publishes and against botocore's."""

import datetime as dt

import pytest
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from token_broker.aws.endpoints import Credentials
from token_broker.aws.fast_client import authorization

SUITE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, "us-east-1")


@pytest.mark.parametrize(
    ("headers", "signature"),
    [
        pytest.param(
            {"my-header1": " value1", "my-header2": '"a   b   c"'},
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            id="get-header-value-trim",
        ),
        pytest.param(
            {"my-header1": "value2,value2,value1"},
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            id="get-header-key-duplicate",
        ),
    ],
)
def test_signatures_agree_with_the_published_vectors(
    headers: dict[str, str], signature: str
) -> None:
    """AWS's Signature Version 4 test suite (aws-sig-v4-test-suite)."""
    sent = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"} | headers
    assert authorization(SUITE, "service", sent, b"", method="GET") == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={';'.join(sorted(sent))}, Signature={signature}"
    )


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
    target=printable,
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
    """For any request, credentials and time. The path is encoded twice in the signed text."""
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
    expected = signer.signature(
        signer.string_to_sign(request, signer.canonical_request(request)), request
    )
    encoded = path.replace("%", "%25")
    actual = authorization(key, service, ours, body, method=method, path=encoded)
    assert actual.rpartition("=")[2] == expected


def test_the_repr_of_credentials_has_no_secret() -> None:
    assert "secret" not in repr(Credentials("AKID", "secret", "secret", "eu-west-1"))
