"""Hosts and URLs from secrets: their normal form, and which addresses are public."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_broker.errors import NotConfigured
from token_broker.transport.urls import (
    base_url,
    is_loopback,
    is_loopback_host,
    is_public,
    join_host,
    split_host,
    split_url,
)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("app.vendorlink.nl", "app.vendorlink.nl", None),
        ("APP2.Vendorlink.NL:8443", "app2.vendorlink.nl", 8443),
        ("127.0.0.1:9", "127.0.0.1", 9),
        ("localhost:65535", "localhost", 65535),
        ("[::1]", "::1", None),
        ("[0:0::1]:443", "::1", 443),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        (f"{'a' * 63}.nl", f"{'a' * 63}.nl", None),
        (f"{'a.' * 125}abc", f"{'a.' * 125}abc", None),
    ],
)
def test_a_host_is_normalised(text: str, host: str, port: int | None) -> None:
    assert split_host(text) == (host, port)
    assert split_host(join_host(host, port)) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "a b", "a\n", "a\0", "a\tb", " app.vendorlink.nl", "app.vendorlink.nl\r\n"),
        *("https://a.nl", "a.nl/", "a.nl?x", "a.nl#x", "a.nl\\b", "a.nl:", "a.nl:443:1"),
        *("user@a.nl", "user:pw@a.nl", "evil.nl@a.nl:443", "a.nl%00.evil.nl", "a.nl%2eevil"),
        *("a.nl.", "127.0.0.1.", ".a.nl", "a..nl", "-a.nl", "a-.nl", "a_b.nl", "*.nl"),
        *("bücher.nl", "\uff41.nl", "\N{KELVIN SIGN}.nl", "127。0。0。1", "a.nl:४४३"),
        *("a.nl:0", "a.nl:00443", "a.nl:65536", "a.nl:" + "9" * 5000, "a.nl:-1", "a.nl:0x1bb"),
        *("2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.01", "1.2.3.4.5"),
        *("256.1.1.1", "0x", "a.0x7f", "a.1", "::1", "[::1", "::1]", "[::1]a", "[]", "[127.0.0.1]"),
        *("[fe80::1%eth0]", "[::1]]", "[v1.a]", "a" * 64 + ".nl", "a." * 125 + "abcd"),
    ],
)
def test_an_invalid_host_is_refused(text: str) -> None:
    """So is text that parsers read differently. The error does not quote it."""
    with pytest.raises(ValueError, match=r"^(is|has) no [ a-zA-Z,]+$"):
        split_host(text)


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_refused(text: str) -> None:
    """The only exception is `ValueError`, and normalising twice gives the same."""
    try:
        host, port = split_host(text)
    except ValueError:
        return
    assert split_host(join_host(host, port)) == (host, port)


def test_loopback_hosts() -> None:
    """Mapped and wildcard addresses are not loopback hosts."""
    others = ["128.0.0.1", "localhost.example", "::ffff:7f00:1", "a.nl", "0.0.0.1", "::"]
    hosts = ["localhost", "127.0.0.1", "127.255.3.4", "::1"]
    assert [host for host in hosts + others if is_loopback_host(host)] == hosts


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("  https://api-platform.vntana.com/\n", "https://api-platform.vntana.com"),
        ("https://api-platform.vntana.com/v1/", "https://api-platform.vntana.com"),
        ("https://api-platform.vntana.com//v1//", "https://api-platform.vntana.com"),
        ("https://api-platform.vntana.com/v1/v1", "https://api-platform.vntana.com/v1"),
        ("https://gate.example/X//v1/", "https://gate.example/X"),
        ("HTTPS://API.example:8443/x", "https://api.example:8443/x"),
        ("http://127.0.0.1:8082/v1", "http://127.0.0.1:8082"),
        ("http://[::1]:8082/", "http://[::1]:8082"),
    ],
)
def test_a_base_url_is_normalised(text: str, url: str) -> None:
    assert base_url(text, "base_url", without="/v1") == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "https://", "https:///x", "//a.nl", "a.nl", "ftp://a.nl", "file:///etc/passwd"),
        *("http://a.nl", "http://10.0.0.1", "http://localhost.a.nl", "http://127.0.0.1@a.nl"),
        *("https://user:pw@a.nl", "https://a.nl\\@b.nl", "https://a.nl/ x", "https://a.nl/\tx"),
        *("https://a.nl?x=1", "https://a.nl#x", "https://a.nl/?", "https://a.nl/#"),
        *("https://a.nl/é", "https://[::1", "https://[::1]x", "https://a.nl/" + "x" * 2036),
        *(f"https://a.nl/{character}x" for character in '"<>\\^`|\x1f\x7f'),
        *("https://a.nl:99999", "https://a.nl:x", "https://2130706433", "javascript:alert(1)"),
    ],
)
def test_an_invalid_base_url_is_reported_by_its_key(text: str) -> None:
    """The error does not show the value."""
    with pytest.raises(NotConfigured, match=r"^token_url: [a-z]+ [ a-zA-Z,:/]+$") as caught:
        base_url(text, "token_url")
    assert caught.value.__context__ is None


def test_a_url_keeps_its_query_and_fragment() -> None:
    """The editor's URL has both."""
    parts = split_url("https://Editor.example/open?lang=nl&token={token}#sheet")
    assert parts.geturl() == "https://editor.example/open?lang=nl&token={token}#sheet"


def test_a_url_of_2048_characters_is_accepted() -> None:
    longest = "https://a.nl/".ljust(2048, "x")
    assert split_url(longest).geturl() == longest


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"],
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1"),
        *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192"),
        *("224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1"),
        *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:a00:1::", "64:ff9b::7f00:1", "100::1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
        *("2001:db8::1", "::ffff:0:127.0.0.1", "5f00::1", "4000::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    """Loopback, private, link-local, shared, reserved, multicast; also mapped into IPv6."""
    assert not is_public(address)


def test_addresses_of_this_machine() -> None:
    ours = ["127.0.0.1", "::1", "::1%lo"]
    found = [*ours, "169.254.169.254", "::ffff:127.0.0.1"]
    assert [address for address in found if is_loopback(address)] == ours
