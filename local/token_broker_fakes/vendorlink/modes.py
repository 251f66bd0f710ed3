"""How Vendorlink's documents and clients contradict each other, and which hosts the modes name.

The first value of a mode is its default.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from token_broker_fakes.modes import Modes
from token_broker_fakes.wire import LOOPBACK, host_of

HOUR = 3600
FORTNIGHT = 14 * 86_400

DOMAIN = ".vendorlink.nl"
FOREIGN = "vendorlink.example.com"
TWINS = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
"""Two names of one loopback host, so that one server can be two hosts."""


@dataclass(slots=True)
class VendorlinkModes(Modes):
    """The switches of `FakeVendorlink`; ``docs/upstreams/vendorlink.md`` says whence each comes."""

    login_failure: Literal["empty200", "204", "null", "object", "400", "401", "403"] = "empty200"
    """How a wrong password, or a switched-off API, is answered."""
    api: Literal["on", "off"] = "on"
    """``off``: API use is not allowed in the customer's settings, so every login fails."""
    elsewhere: Literal["leads", "self", "loop", "chain", "foreign"] = "leads"
    """Where a login is sent: as `FakeVendorlink.leads` says; to the host that was called; to and
    fro between two hosts; to one new host after another; out of Vendorlink's domain."""
    hostname: Literal["called", "twin", "absent", "empty", "null"] = "called"
    """The ``hostname`` of a successful login; ``twin``: another, at which alone the tokens live."""
    extend_key: Literal["either", "rToken", "RenewalToken"] = "either"
    """Which key of the body holds the renewal token."""
    extend_content_type: Literal["any", "utf-8", "utf8", "colon"] = "any"
    """``application/json`` with ``; charset=utf-8``, ``; charset=utf8`` or ``: charset=utf8``."""
    extend_renewal: Literal["rotate", "null", "absent", "null_spent"] = "rotate"
    """The next renewal token: a new one; none, and the old one is valid; none, and it is spent."""
    extend_failure: Literal["401", "400", "403", "empty200", "null", "object"] = "401"
    renewal_use: Literal["once", "many"] = "once"
    access_token: Literal["jwt", "wrapped", "garbled", "no_exp", "opaque"] = "jwt"
    """``wrapped`` has blanks inside, ``garbled`` three parts that do not decode."""
    older_sessions: Literal["live", "killed"] = "live"
    """``killed``: a login ends the user's other sessions."""
    lockout: int = 0
    """Wrong passwords in a row after which every login of a user fails; 0: never."""
    lifetime: int = HOUR
    """Seconds that access tokens live."""
    renewal_lifetime: int = FORTNIGHT
    """Seconds that renewal tokens live."""
    early: int = 300
    """Seconds by which ``nbf`` precedes the issue."""


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
