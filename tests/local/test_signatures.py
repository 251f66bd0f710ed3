"""Signatures are accepted and refused as AWS does it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from botocore.credentials import Credentials
from hypothesis import example, given
from hypothesis import strategies as st

from tests.local.callers import HOST, signed
from tests.zones import local_time
from token_broker_local.authorization import Authorization
from token_broker_local.messages import GatewayError, HttpRequest
from token_broker_local.signatures import Signer, signatures, verify

MINUTE = timedelta(minutes=1)


def now() -> datetime:
    return datetime.now(UTC)


def request_moment(request: HttpRequest) -> datetime:
    return Authorization.of(request).moment


def accept(request: HttpRequest, at: datetime | None = None) -> None:
    verify(request, "execute-api", at or now())


def refusal_of(request: HttpRequest, at: datetime | None = None) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        accept(request, at)
    assert caught.value.status == 403
    return caught.value


def with_header(request: HttpRequest, name: str, value: str | None) -> HttpRequest:
    kept = [pair for pair in request.headers if pair[0].lower() != name.lower()]
    return replace(request, headers=[*kept, *([(name, value)] if value is not None else [])])


def with_authorization(request: HttpRequest, old: str, new: str) -> HttpRequest:
    header = request.header("Authorization") or ""
    assert old in header
    return with_header(request, "Authorization", header.replace(old, new))


# What is accepted


@pytest.mark.parametrize(
    "rest",
    [
        *("demo/token", "demo/token?b=2&a=1&a=0", "demo/token?a=%20x%2F&empty=&bare"),
        *("..%2Fdemo/token", "%2e%2e/token", "a%0d%0ab/token", "d%C3%A9mo/token"),
        "a:b@c,d;e=f/token",
    ],
)
def test_requests_signed_by_botocore_are_accepted(rest: str) -> None:
    """With any path and query."""
    accept(signed(target=f"/v1/vntana/{rest}", body=b'{"min_ttl": 5}'))


def test_reordered_and_additional_headers_are_accepted() -> None:
    """A proxy may reorder headers, and add some of its own, also another date than the signed."""
    request = signed(headers={"Content-Type": "application/json", "X-One": "1"})
    added = [("Via", "1.1 proxy"), ("Date", "Mon, 01 Jan 2001 00:00:00 GMT")]
    accept(replace(request, headers=[*added, *reversed([*request.headers])]))


def test_a_signed_user_agent_is_accepted() -> None:
    """Other clients sign headers that botocore leaves out."""
    request = signed(headers={"User-Agent": "other"})
    request = with_authorization(request, "SignedHeaders=host;", "SignedHeaders=host;user-agent;")
    right = Signer(Authorization.of(request), Credentials("local", "local")).signature_of(request)
    accept(with_authorization(request, Authorization.of(request).signature, right))


def test_a_correct_content_hash_header_is_accepted() -> None:
    """`x-amz-content-sha256`, if it is that of the body."""
    accept(signed(headers={"X-Amz-Content-SHA256": sha256(b"").hexdigest()}))


def test_a_date_header_is_accepted_instead_of_x_amz_date() -> None:
    """SigV4 allows both."""
    with local_time("UTC"):  # botocore writes the local time as if it were that
        request = signed(headers={"Date": "now"})
    assert request.header("X-Amz-Date") is None
    accept(request)


def test_names_of_signed_headers_are_accepted_in_any_case() -> None:
    accept(with_authorization(signed(), "host;x-amz-date", "Host;X-Amz-Date"))


def test_a_path_that_is_encoded_once_in_the_signature_is_accepted() -> None:
    """As by curl before 8.9; the same bytes are signed."""
    request = signed(target="/v1/vntana/..%2Fdemo/token")
    claim = Authorization.of(request)
    by_aws, by_curl = signatures(request, claim)
    assert by_aws != by_curl
    accept(with_authorization(request, claim.signature, by_curl.decode()))


@pytest.mark.parametrize("away", [-15 * MINUTE, 15 * MINUTE, timedelta(0)])
def test_a_clock_difference_of_fifteen_minutes_is_accepted(away: timedelta) -> None:
    request = signed()
    accept(request, request_moment(request) + away)


# What is refused


CHANGES: dict[str, Callable[[HttpRequest], HttpRequest]] = {
    "another method": lambda r: replace(r, method="DELETE"),
    "another path": lambda r: replace(r, path="/v1/vntana/other/token"),
    "the path encoded": lambda r: replace(r, path="/v1/vntana/dem%6f/token"),
    "a query added": lambda r: replace(r, query="force=true"),
    "another body": lambda r: replace(r, body=b'{"force": false}'),
    "another host": lambda r: with_header(r, "Host", "evil.example"),
    "no host": lambda r: with_header(r, "Host", None),
    "another header value": lambda r: with_header(r, "X-One", "2"),
    "a value added": lambda r: replace(r, headers=[*r.headers, ("X-One", "2")]),
    "a header no longer signed": lambda r: with_authorization(r, ";x-one", ""),
    "a longer signature": lambda r: with_authorization(r, "Signature=", "Signature=0"),
    "a false hash": lambda r: with_header(r, "X-Amz-Content-SHA256", "0" * 64),
    "an unsigned body": lambda r: with_header(r, "X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_request_changed_after_signing_is_refused(
    change: Callable[[HttpRequest], HttpRequest],
) -> None:
    """A signature is of one request: method, path, query, headers and body."""
    request = signed(body=b'{"force": true}', headers={"X-One": "1"})
    accept(request)
    refusal = refusal_of(change(request))
    assert refusal.kind == "InvalidSignatureException"
    assert refusal.message == (
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. "
        "Consult the service documentation for details."
    )


def test_a_changed_date_is_refused() -> None:
    """The date is signed, so a replayed request cannot get a later one."""
    request = signed()
    at = request_moment(request)
    other = at + MINUTE if (at + MINUTE).day == at.day else at - MINUTE
    moved = with_header(request, "X-Amz-Date", f"{other:%Y%m%dT%H%M%SZ}")
    assert "does not match" in refusal_of(moved).message


def test_a_signature_with_another_secret_is_refused() -> None:
    """Knowing the access key is not enough."""
    refusal = refusal_of(signed(credentials=Credentials("local", "guess")))
    assert "does not match" in refusal.message


@pytest.mark.parametrize("login", [("other", "local"), ("local", "local", "a session's token")])
def test_an_unknown_access_key_is_refused(login: tuple[str, ...]) -> None:
    """The message says no more than that."""
    refusal = refusal_of(signed(credentials=Credentials(*login)))
    assert refusal.kind == "UnrecognizedClientException"
    assert refusal.message == "The security token included in the request is invalid."


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
def test_a_signature_for_another_host_name_is_refused(host: str) -> None:
    """DNS rebinding: a page of another site can sign, as the key is public, and gets no token."""
    for name in ("127.0.0.1:8080", "localhost"):
        accept(signed(host=name))
    assert refusal_of(signed(host=host)).message == "Forbidden"


def test_a_request_without_signature_is_refused() -> None:
    refusal = refusal_of(HttpRequest("POST", "/v1/vntana/demo/token", headers=[("Host", HOST)]))
    assert refusal.kind == "MissingAuthenticationTokenException"
    assert refusal.message == "Missing Authentication Token"


def test_a_signature_older_than_fifteen_minutes_is_refused() -> None:
    """A recorded request cannot be replayed later."""
    request = signed()
    at = request_moment(request) + 15 * MINUTE + timedelta(seconds=1)
    refusal = refusal_of(request, at)
    assert refusal.kind == "InvalidSignatureException"
    assert refusal.message == (
        f"Signature expired: {request_moment(request):%Y%m%dT%H%M%SZ} is now earlier than "
        f"{at - 15 * MINUTE:%Y%m%dT%H%M%SZ} ({at:%Y%m%dT%H%M%SZ} - 15 min.)"
    )


def test_a_date_in_the_future_is_refused() -> None:
    request = signed()
    refusal = refusal_of(request, request_moment(request) - 16 * MINUTE)
    assert refusal.message.startswith("Signature not yet current: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("/eu-west-1/", "/us-east-1/", "a valid region, not 'us-east-1'."),
        ("/execute-api/", "/s3/", "correct service: 'execute-api'."),
        ("aws4_request", "aws3_request", "terminator: 'aws4_request', not 'aws3_request'."),
        ("local/20", "local/19", "Date in Credential scope does not match YYYYMMDD"),
    ],
)
def test_a_signature_for_another_scope_is_refused(old: str, new: str, message: str) -> None:
    refusal = refusal_of(with_authorization(signed(), old, new))
    assert refusal.kind == "InvalidSignatureException"
    assert message in refusal.message


def test_a_signature_without_the_host_header_is_refused() -> None:
    """It could be replayed to another API."""
    refusal = refusal_of(with_authorization(signed(), "SignedHeaders=host;", "SignedHeaders="))
    assert refusal.message == "'Host' must be a 'SignedHeader' in the AWS Authorization."


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("Bearer s3cret", "Invalid key=value pair (missing equal-sign)"),
        ("AWS4-HMAC-SHA256 a=b", "requires 'Credential' parameter. Authorization header requires"),
        ("AWS4-HMAC-SHA1 Credential=a, SignedHeaders=host, Signature=0", "Unsupported AWS"),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", "exactly 5 slash"),
        ("", "Invalid key=value pair"),
    ],
)
def test_an_incomplete_authorization_header_is_refused(authorization: str, message: str) -> None:
    """The message names the missing part, and quotes no token."""
    refusal = refusal_of(with_header(signed(), "Authorization", authorization))
    assert refusal.kind == "IncompleteSignatureException"
    assert message in refusal.message
    assert "s3cret" not in refusal.message


@pytest.mark.parametrize(("date", "message"), [("soon", "basic format"), (None, "'X-Amz-Date'")])
def test_a_missing_or_malformed_date_is_refused(date: str | None, message: str) -> None:
    """In the format that AWS requires."""
    refusal = refusal_of(with_header(signed(), "X-Amz-Date", date))
    assert refusal.kind == "IncompleteSignatureException"
    assert message in refusal.message


@given(
    header=st.text(max_size=80) | st.none(),
    date=st.text(max_size=20)
    | st.builds("{:%d %b %Y %H:%M:%S} {:+05}".format, st.datetimes(), st.integers(-9999, 9999)),
)
@example(header=None, date="31 Dec 9999 23:59:59 -2300")
def test_any_authorization_header_and_date_cause_a_refusal_and_no_exception(
    header: str | None, date: str
) -> None:
    """Also another date with a complete header."""
    request = with_header(signed(), "X-Amz-Date", date)
    refusal_of(with_header(request, "Authorization", header) if header is not None else request)


@given(parts=st.lists(st.text(max_size=10), min_size=3, max_size=3))
def test_any_parts_of_the_authorization_header_cause_a_refusal(parts: list[str]) -> None:
    credential, headers, signature = parts
    header = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={headers}, Signature={signature}"
    )
    refusal_of(with_header(signed(), "Authorization", header))
