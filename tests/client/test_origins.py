"""A token stays with its vendor's scheme, host and port."""

import pytest

from token_broker_client import WrongDestination, origins

HOME = "https://app.vendorlink.nl/API"


@pytest.mark.parametrize(
    "url",
    [
        "https://app.vendorlink.nl/API/Queries/List",
        "https://app.vendorlink.nl",
        "https://APP.VendorLink.NL:443/anything?q=1#f",
    ],
)
def test_stays_at_home(url: str) -> None:
    assert origins.is_home(url, HOME)
    origins.check(url, HOME)


def test_each_scheme_has_its_own_port() -> None:
    assert origins.is_home("http://127.0.0.1:80/x", "http://127.0.0.1")
    assert not origins.is_home("http://127.0.0.1:443/x", "http://127.0.0.1")


@pytest.mark.parametrize(
    "url",
    [
        "http://app.vendorlink.nl/API",
        "https://app.vendorlink.nl:8443/API",
        "https://vendorlink.nl/API",
        "https://evil.app.vendorlink.nl/API",
        "https://app.vendorlink.nl.evil.com/API",
        "https://app.vendorlink.nl@evil.com/API",
        "https://evil.com@app.vendorlink.nl/API",
        "https://evil.com\\@app.vendorlink.nl/API",
        "https://app.vendorlink.nl\\.evil.com/API",
        "https://app.vendorlink.nl/\\evil.com",
        "https://app.vendorlink.nl:99999/API",
        "//app.vendorlink.nl/API",
        "/API",
        "",
        "ftp://app.vendorlink.nl/API",
    ],
)
def test_goes_nowhere_else(url: str) -> None:
    """Nor where readers of URLs might differ about where it goes."""
    assert not origins.is_home(url, HOME)
    with pytest.raises(WrongDestination):
        origins.check(url, HOME)


def test_the_error_shows_no_path_and_no_query() -> None:
    for url, shown in (
        ("https://evil.com:443/private?secret=1", "https://evil.com"),
        ("https://evil.com:8443/private", "https://evil.com:8443"),
        ("http://evil.com:443/", "http://evil.com:443"),
    ):
        with pytest.raises(WrongDestination) as caught:
            origins.check(url, HOME)
        assert caught.value.detail == (
            f"the token is for https://app.vendorlink.nl, the request to {shown}"
        )


def test_what_cannot_be_told_is_no_home() -> None:
    """Not even to what cannot be told either."""
    for nowhere in ("", "https://", "https://a:x"):
        assert not origins.is_home(nowhere, nowhere)
