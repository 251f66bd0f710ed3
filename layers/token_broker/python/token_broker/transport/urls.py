"""Rules for the URLs that the broker calls, and for the machines that they may lead to.

Text from a secret, or from a vendor's answer, becomes a URL only through these rules: one spelling
of a host, no userinfo, nothing that two parsers could read in two ways. They do no I/O: the
transport checks the addresses of a name by `is_public` when it connects.

The text of a `ValueError` quotes nothing of the URL.
"""

import re
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from token_broker.errors import NotConfigured

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9.-]+))(?::(?P<port>[0-9]+))?")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_UNSAFE = re.compile(r"[^\x21-\x7e]|[\\\"<>^`|]")
"""Blanks, control characters, characters that are not ASCII, and those that a URL must escape."""

_LONGEST_NAME, _LONGEST_URL, _LAST_PORT = 253, 2048, 65535

_PROTOCOLS = IPv4Network("192.0.0.0/24")
"""No vendor's addresses; some are a cloud's metadata. Older Pythons call some of them global."""
_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is routed between networks."""
_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 addresses as a network without IPv4 maps them: in the last 32 bits."""


def split_host(text: str) -> tuple[str, int | None]:
    """Return host, in lower case and without brackets, and port of ``host[:port]``.

    Raises `ValueError` for anything else: a scheme, a path, userinfo, blanks, a trailing dot, a
    name that is not ASCII, an IPv4 address that is not four decimal numbers.
    """
    parts = _HOST.fullmatch(text.lower())
    if not parts or not text.isascii():
        raise ValueError("is no host name, with or without a port")
    host = str(_checked(IPv6Address, parts["ipv6"])) if parts["ipv6"] else _name(parts["name"])
    return host, _port(parts["port"])


def join_host(host: str, port: int | None = None) -> str:
    """Return ``host[:port]`` as it stands in a URL: the reverse of `split_host`."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def is_loopback_host(host: str) -> bool:
    """Say whether *host*, as `split_host` returns it, names this machine."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return is_loopback(host)
    return False


def split_url(text: str) -> SplitResult:
    """Return the parts of an absolute URL to which a secret may be sent.

    Raises `ValueError` for anything but https (http to a loopback host), and for userinfo, blanks,
    and characters that must be escaped.
    """
    if _UNSAFE.search(text) or len(text) > _LONGEST_URL:
        raise ValueError("is no URL")
    parts = _split(text)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("does not begin with https://")
    host, port = split_host(parts.netloc)
    if parts.scheme == "http" and not is_loopback_host(host):
        raise ValueError("begins with http://, which is for loopback hosts only")
    return parts._replace(netloc=join_host(host, port))


def base_url(text: str, key: str, *, without: str = "") -> str:
    """Return *text* without blanks, a trailing ``/``, and a trailing *without* such as ``/v1``.

    Raises `NotConfigured`, which names *key*, for what `split_url` refuses, a query or a fragment.
    """
    try:
        parts = split_url(text.strip())
        if "?" in text or "#" in text:
            raise ValueError("has a query or a fragment")  # noqa: TRY301 (one way out for all)
    except ValueError as error:
        problem = str(error)
    else:
        return parts.geturl().rstrip("/").removesuffix(without).rstrip("/")
    raise NotConfigured(f"{key}: {problem}")


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the public Internet's, whatever form it is wrapped in."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = _inside(ip)
        if inner is None:
            return ip in _UNICAST and ip.is_global
        ip = inner
    return ip.is_global and not ip.is_multicast and ip not in _PROTOCOLS


def is_loopback(address: str) -> bool:
    """Say whether an IP address is this machine's own, and not wrapped in another."""
    ip = ip_address(address.partition("%")[0])
    return ip.is_loopback if isinstance(ip, IPv4Address) else ip == IPv6Address("::1")


def _inside(ip: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that *ip* leads to: mapped, 6to4 or NAT64. Teredo is not global."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _split(text: str) -> SplitResult:
    # The library's words would repeat *text*.
    with suppress(ValueError):
        return urlsplit(text)
    raise ValueError("is no URL")


def _name(name: str) -> str:
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return str(_checked(IPv4Address, name))
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("is no host name")
    return name


def _checked(kind: type[IPv4Address | IPv6Address], text: str) -> IPv4Address | IPv6Address:
    with suppress(ValueError):
        return kind(text)
    raise ValueError("is no IP address")


def _port(digits: str | None) -> int | None:
    if digits is None:
        return None
    if digits.startswith("0") or len(digits) > len(str(_LAST_PORT)) or int(digits) > _LAST_PORT:
        raise ValueError("has no such port")
    return int(digits)
