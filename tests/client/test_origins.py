"""A token is sent only to the scheme, host and port of its vendor."""

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
def test_a_url_of_the_same_origin_is_allowed(url: str) -> None:
    assert origins.is_home(url, HOME)
    origins.check(url, HOME)


def test_each_scheme_has_its_own_default_port() -> None:
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
def test_a_url_of_another_origin_is_refused(url: str) -> None:
    """Also a URL that parsers may read differently."""
    assert not origins.is_home(url, HOME)
    with pytest.raises(WrongDestination):
        origins.check(url, HOME)


def test_the_error_shows_no_path_and_no_query() -> None:
    for url, shown in (
        ("https://evil.com:443/private?secret=1", "https://evil.com"),
        ("https://evil.com:8443/private", "https://evil.com:8443"),
        ("http://evil.com:443/", "http://evil.com:443"),
        ("https://evil.com:x/private", "an address that is not clear"),
    ):
        with pytest.raises(WrongDestination) as caught:
            origins.check(url, HOME)
        assert caught.value.detail == (
            f"the token is for https://app.vendorlink.nl, the request to {shown}"
        )


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["App.Vendorlink.NL", "127.0.0.1"])
@pytest.mark.parametrize("port", [None, 80, 443, 8080])
def test_the_destination_of_a_request_is_the_origin_of_its_url(
    scheme: str, host: str, port: int | None
) -> None:
    """Directly, and through a proxy, which is sent the whole URL."""
    url = f"{scheme}://{host}{f':{port}' if port else ''}/API"
    straight = httpcore.URL(scheme=scheme, host=host, port=port, target="/API")
    by_proxy = httpcore.URL(scheme="http", host="proxy", port=3128, target=url)
    there = origins.origin(url.lower())
    assert origins.destination(straight) == origins.destination(by_proxy) == there


def test_an_invalid_url_has_no_origin() -> None:
    """Not even the same as its own."""
    for nowhere in ("", "https://", "https://a:x"):
        assert not origins.is_home(nowhere, nowhere)
