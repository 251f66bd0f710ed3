"""A token stays with its vendor's scheme, host and port."""

import httpcore
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
        ("https://evil.com:x/private", "an address that cannot be told"),
    ):
        with pytest.raises(WrongDestination) as caught:
            origins.check(url, HOME)
        assert caught.value.detail == (
            f"the token is for https://app.vendorlink.nl, the request to {shown}"
        )


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["App.Vendorlink.NL", "127.0.0.1"])
@pytest.mark.parametrize("port", [None, 80, 443, 8080])
def test_a_request_goes_where_its_url_says(scheme: str, host: str, port: int | None) -> None:
    """By itself, and through a proxy, which is sent the whole of it."""
    url = f"{scheme}://{host}{f':{port}' if port else ''}/API"
    straight = httpcore.URL(scheme=scheme, host=host, port=port, target="/API")
    by_proxy = httpcore.URL(scheme="http", host="proxy", port=3128, target=url)
    there = origins.origin(url.lower())
    assert origins.destination(straight) == origins.destination(by_proxy) == there


def test_what_cannot_be_told_is_no_home() -> None:
    """Not even to what cannot be told either."""
    for nowhere in ("", "https://", "https://a:x"):
        assert not origins.is_home(nowhere, nowhere)
