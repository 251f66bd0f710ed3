"""Where one of Vendorlink's hosts sends a login."""

import re
from collections.abc import Mapping

from token_broker_fakes.wire import LOOPBACK, host_of

DOMAIN = ".vendorlink.nl"
FOREIGN = "vendorlink.example.com"
TWINS = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
"""Two names of one loopback host, so that one server can be two hosts."""


def next_host(mode: str, host: str, leads: Mapping[str, str]) -> str | None:
    """Return the host to which a login at *host* is sent; None where it is at home."""
    match mode:
        case "self":
            return host
        case "loop":
            return twin(host)
        case "chain":
            return successor(host)
        case "foreign":
            return FOREIGN
    return leads.get(host)


def is_own(host: str) -> bool:
    """Say whether *host* may receive a password: a host of Vendorlink, or this machine."""
    return host_of(host) in LOOPBACK or host_of(host).endswith(DOMAIN)


def twin(host: str) -> str:
    """Return the other of two hosts: ``app`` and ``app2``, or the two names of loopback."""
    name = host_of(host)
    if name in TWINS:
        return TWINS[name] + host[len(name) :]
    label, dot, domain = host.partition(".")
    return (label.removesuffix("2") if label.endswith("2") else label + "2") + dot + domain


def successor(host: str) -> str:
    """Return the host with the next number: ``app2`` after ``app``, and 127.0.0.2 after .1."""
    if address := re.fullmatch(r"127\.0\.0\.(\d+)(:\d+)?", host):
        return f"127.0.0.{int(address[1]) + 1}{address[2] or ''}"
    label, dot, domain = host.partition(".")
    name, number = re.fullmatch(r"(.*?)(\d*)", label).groups()  # type: ignore[union-attr]  # it always matches
    return f"{name}{int(number or 1) + 1}{dot}{domain}"
