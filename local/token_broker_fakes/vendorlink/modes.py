"""How Vendorlink's documents and clients contradict each other; the first value is the default."""

from dataclasses import dataclass
from typing import Literal

from token_broker_fakes.modes import Modes

HOUR = 3600
FORTNIGHT = 14 * 86_400


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
