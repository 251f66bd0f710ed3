"""What a fake reads of a request is what the client sent."""

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from token_broker.exchange import Request
from token_broker_fakes.wire import Answer, Call, without_headers

URL = "https://vendor.example.com/token"


@given(user=st.text().filter(lambda text: ":" not in text), password=st.text())
def test_basic_credentials_are_read_as_sent(user: str, password: str) -> None:
    """A password may have colons (RFC 7617, section 2). Not by another scheme, nor with more."""
    encoded = b64encode(f"{user}:{password}".encode()).decode()
    for header, found in (
        (f"Basic {encoded}", (user, password)),
        (f"basic {encoded}", (user, password)),
        (f"Bearer {encoded}", None),
        (f"Basic !{encoded}", None),
        (f"Basic {encoded}-", None),
        (f"Basic {b64encode(b'no colon').decode()}", None),
    ):
        assert Call.of(Request("POST", URL, "test", {"authorization": header})).basic() == found


@given(fields=st.dictionaries(st.text(min_size=1), st.text()))
def test_a_form_is_read_as_sent(fields: dict[str, str]) -> None:
    """With fields that are empty."""
    assert Call.of(Request("POST", URL, "test", form=fields)).form() == fields


def test_cookies_are_read_as_sent() -> None:
    """Values may have an equals sign."""
    for header, cookies in (
        ("S=a==; T=b", {"S": "a==", "T": "b"}),
        ("S=; ;=y;", {"S": ""}),
    ):
        assert Call.of(Request("GET", URL, "test", {"cookie": header})).cookies() == cookies
    assert Call.of(Request("GET", URL, "test")).cookies() == {}


def test_a_token_is_taken_out_of_headers_and_cookies() -> None:
    """All else stays, so that it is the token alone that an answer lacks."""
    ends = "Expires=Sun, 22 Nov 2026 07:00:00 GMT"
    answer = Answer(200, {"X-T": "a", "Set-Cookie": f"l=en; {ends}, S=a; {ends}, X=b"}, b"a")
    left = without_headers(answer, {"x-t", "s"})
    assert left == Answer(200, {"Set-Cookie": f"l=en; {ends}, X=b"}, b"a")
