"""What a fake reads of a request is what the client sent."""

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from token_broker.exchange import Request
from token_broker_fakes.wire import Call

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
    ):
        assert Call.of(Request("POST", URL, "test", {"authorization": header})).basic() == found


@given(fields=st.dictionaries(st.text(min_size=1), st.text()))
def test_a_form_is_read_as_sent(fields: dict[str, str]) -> None:
    """With fields that are empty."""
    assert Call.of(Request("POST", URL, "test", form=fields)).form() == fields
