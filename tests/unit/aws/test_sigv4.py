"""The signer, against the values that AWS publishes and against botocore's."""

import datetime as dt

import pytest
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from token_broker.aws.sigv4 import Credentials, authorization

SESSION = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSP"
    "fIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT"
    "7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlz"
    "m8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
SUITE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, "us-east-1")
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "signature"),
    [
        pytest.param(
            *("GET", "/", "", {}, b""),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla",
        ),
        pytest.param(
            *("GET", "/", "Param1=value1", {}, b""),
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
            id="get-vanilla-empty-query-key",
        ),
        pytest.param(
            *("GET", "/", "Param1=value1&Param2=value2", {}, b""),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            *("GET", "/%E1%88%B4", "", {}, b""),
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            id="get-utf8",
        ),
        pytest.param(
            *("GET", "/", "", {"my-header1": " value1", "my-header2": '"a   b   c"'}, b""),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            id="get-header-value-trim",
        ),
        pytest.param(
            *("GET", "/", "", {"my-header1": "value2,value2,value1"}, b""),
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            id="get-header-key-duplicate",
        ),
        pytest.param(
            *("POST", "/", "", {}, b""),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            *("POST", "/", "Param1=value1", {}, b""),
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            id="post-vanilla-query",
        ),
        pytest.param(
            *("POST", "/", "", {"my-header1": "value1"}, b""),
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            id="post-header-key-sort",
        ),
        pytest.param(
            *("POST", "/", "", {"my-header1": "VALUE1"}, b""),
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            id="post-header-value-case",
        ),
        pytest.param(
            *("POST", "/", "", {"content-type": FORM}, b"Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            id="post-x-www-form-urlencoded",
        ),
        pytest.param(
            *("POST", "/", "", {"content-type": f"{FORM}; charset=utf8"}, b"Param1=value1"),
            "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
            id="post-x-www-form-urlencoded-parameters",
        ),
        pytest.param(
            *("POST", "/", "", {"x-amz-security-token": SESSION}, b""),
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            id="post-sts-header-before",
        ),
    ],
)
def test_published_vectors(
    *, method: str, path: str, query: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    """AWS's Signature Version 4 test suite (aws-sig-v4-test-suite)."""
    sent = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"} | headers
    assert authorization(SUITE, "service", sent, body, method=method, path=path, query=query) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={';'.join(sorted(sent))}, Signature={signature}"
    )


printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(
    body=st.binary(max_size=200),
    secret=printable,
    token=st.none() | printable,
    region=st.sampled_from(["eu-west-1", "us-east-1"]),
    service=st.sampled_from(["dynamodb", "kms"]),
    at=st.datetimes(dt.datetime(2015, 1, 1), dt.datetime(2099, 1, 1)),  # noqa: DTZ001 (of UTC)
    target=printable,
)
def test_botocore_signs_alike(
    *,
    body: bytes,
    secret: str,
    token: str | None,
    region: str,
    service: str,
    at: dt.datetime,
    target: str,
) -> None:
    """For every request, every caller and every time."""
    ours = {
        "host": f"{service}.{region}.amazonaws.com",
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": target,
        "x-amz-date": at.strftime(SIGV4_TIMESTAMP),
    } | ({"x-amz-security-token": token} if token else {})
    request = AWSRequest("POST", f"https://{ours['host']}/", dict(ours), body)
    request.context["timestamp"] = ours["x-amz-date"]
    signer = SigV4Auth(BotocoreCredentials("AKID", secret, token), service, region)
    theirs = signer.signature(
        signer.string_to_sign(request, signer.canonical_request(request)), request
    )
    mine = authorization(Credentials("AKID", secret, token, region), service, ours, body)
    assert mine.rpartition("=")[2] == theirs


def test_credentials_show_no_secret() -> None:
    assert "secret" not in repr(Credentials("AKID", "secret", "secret", "eu-west-1"))
