"""Vendorlink (ISPnext): a login that may lead to another host, and renewal by a single-use token.

    POST /API/auth/login        u, p                         -> accessToken, renewalToken, hostname
                                                             or hostname only: log in there
    POST /API/auth/extendtoken  old token, renewal token     -> accessToken, renewalToken or null

Documented at https://helpcenter.ispnext.com/hc/en-gb/articles/26245634683036 (lifetimes, single
use) and https://vendorlink.zendesk.com/hc/nl/articles/360009375660 (the two answers to a login).
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from token_broker import addresses
from token_broker.document import Document
from token_broker.errors import CredentialRejected, NotConfigured, UpstreamContractChanged
from token_broker.exchange import Conversation, Exchange, Request, Response, sendable
from token_broker.tokens import Token
from token_broker.variants import Variant

NAME = "vendorlink"
TOKEN_KINDS = frozenset({"login"})
LIFETIME = 3600
"""Seconds that an access token lives, where it does not tell: "60 minutes" (CONN article)."""

LONGEST_LIFETIME = 86_400
"""Seconds beyond which a token's own `exp` is not believed."""

MOST_HOPS = 3
"""How often a login may be sent on to another host."""

REFUSALS = frozenset({400, 401, 403})
"""Statuses of a failed login. None is documented; the vendor's clients see an empty 2xx body."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the secret of a connection holds."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    host: str
    scheme: str = "https"
    allowed_hosts: tuple[str, ...] = (".vendorlink.nl",)
    extend_key: str = "both"
    null_renewal: str = "keep"
    content_type: str = "application/json; charset=utf-8"

    @classmethod
    def parse(cls, secret: object) -> "Credentials":
        """Read a secret. Raises `NotConfigured` naming the key that is wrong."""
        members = Document(secret, NotConfigured)
        options = members.document("options")
        credentials = cls(
            username=members.text("username"),
            password=members.text("password"),
            host=_host(members, members.text("host")),
            scheme=members.choice("scheme", "https", "http"),
            allowed_hosts=tuple(_allowed(members)),
            extend_key=options.choice("extend_key", "both", "rToken", "RenewalToken"),
            null_renewal=options.choice("null_renewal", "keep", "drop"),
            content_type=options.text("content_type", "application/json; charset=utf-8"),
        )
        options.finish()
        members.finish()
        if not sendable(credentials.content_type):
            raise options.wrong("content_type", "must be printable ASCII")
        if credentials.scheme == "http" and not addresses.is_loopback_host(
            addresses.split_host(credentials.host)[0]
        ):
            raise members.wrong("scheme", "http is for loopback hosts only")
        return credentials

    def url(self, host: str, call: str) -> str:
        """Return the address of an authentication call at *host*."""
        return f"{self.scheme}://{host}/API/auth/{call}"

    def allows(self, host: str) -> bool:
        """Say whether credentials may be sent to *host*, a ``name`` or ``name:port``."""
        return host == self.host or any(
            host.endswith(allowed) and ":" not in host
            if allowed.startswith(".")
            else host == allowed
            for allowed in self.allowed_hosts
        )


def asked(body: Document) -> Variant:
    """Return what a call asks for: a connection has one token only."""
    del body
    return Variant("login")


def settle(credentials: Credentials, variant: Variant) -> Variant:
    """Return *variant*: the secret adds nothing to it."""
    del credentials
    return variant


def is_shared(credentials: Credentials) -> bool:
    """Say that callers share a token."""
    del credentials
    return True


def exchange(
    credentials: Credentials,
    variant: Variant,
    now: int,
    kept: Token | None = None,
) -> Exchange:
    """Extend the token that is *kept* if its renewal token may still be used, else log in."""
    del variant
    if kept and kept.renewal:
        extended = yield from extend(credentials, kept, now)
        if extended:
            return extended
    return (yield from log_in(credentials, now))


def extend(credentials: Credentials, kept: Token, now: int) -> Conversation[Token | None]:
    """Trade the renewal token for a new access token; None where that fails in any way.

    The access token may have expired: extending it then is the documented use.
    """
    host = str(kept.context["hostname"])
    response: Response = yield Request(
        "POST",
        credentials.url(host, "extendtoken"),
        "extend",
        headers={"authorization": f"Bearer {kept.value}", "content-type": credentials.content_type},
        json=dict.fromkeys(_renewal_keys(credentials), kept.renewal),
    )
    answer = response.json() if response.is_success else None
    if not isinstance(answer, dict) or not sendable(answer.get("accessToken")):
        return None
    renewal = answer.get("renewalToken")
    if renewal is None and credentials.null_renewal == "keep":
        renewal = kept.renewal
    return _token(credentials, answer | {"renewalToken": renewal}, host, now, kept.context)


def log_in(credentials: Credentials, now: int) -> Conversation[Token]:
    """Log in, at the host that the answer names if it names another one."""
    host, visited = credentials.host, [credentials.host]
    while True:
        response: Response = yield Request(
            "POST",
            credentials.url(host, "login"),
            "login",
            headers={"content-type": credentials.content_type},
            json={"u": credentials.username, "p": credentials.password},
        )
        answer = _answered(response)
        named = _named_host(credentials, answer, host)
        if answer.get("accessToken") is not None:
            return _token(credentials, answer, named, now, {})
        if named in visited or len(visited) > MOST_HOPS:
            raise UpstreamContractChanged("login: the hosts that are named lead in a circle")
        visited.append(named)
        host = named


def log_out(credentials: Credentials, token: Token) -> Exchange | None:
    """Return None: the vendor documents no way to end a session."""
    del credentials, token
    return None


def unverified_expiry(token: str) -> int | None:
    """Return the second in the `exp` claim, if *token* is a JWT that can be read.

    The vendor's own sample tokens do not decode, so that none does is no error; and the signature
    is not ours to check.
    """
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        expiry = claims["exp"]
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        return None
    return expiry if isinstance(expiry, int) and not isinstance(expiry, bool) else None


def _answered(response: Response) -> dict[str, Any]:
    """Return the body of a login that was not refused."""
    response.reached("login")
    if response.status in REFUSALS:
        raise CredentialRejected("login: refused", upstream_status=response.status)
    if not response.is_success:
        raise UpstreamContractChanged(
            f"login: unexpected status {response.status}", upstream_status=response.status
        )
    if not response.content.strip() or response.content.strip() == b"null":
        raise CredentialRejected(
            "login: refused with an empty answer", upstream_status=response.status
        )
    answer = response.object("login")
    if answer.get("accessToken") is None and not answer.get("hostname"):
        raise CredentialRejected("login: refused without a token", upstream_status=response.status)
    return answer


def _named_host(credentials: Credentials, answer: Mapping[str, Any], called: str) -> str:
    """Return the host that an answer names, which must be one that may be trusted."""
    named = answer.get("hostname") or called
    try:
        host = _normal(named) if isinstance(named, str) else ""
    except ValueError:
        host = ""
    if not host or not credentials.allows(host):
        raise UpstreamContractChanged("login: it names a host that allowed_hosts does not allow")
    return host


def _token(
    credentials: Credentials,
    answer: Mapping[str, Any],
    host: str,
    now: int,
    context: Mapping[str, Any],
) -> Token:
    """Return the token in *answer*; what it does not tell stays as it is in *context*."""
    value, renewal = answer["accessToken"], answer.get("renewalToken")
    if not sendable(value) or not (renewal is None or isinstance(renewal, str)):
        raise UpstreamContractChanged("login: the token is not a text that can be sent")
    expiry = unverified_expiry(value)
    if expiry is None or expiry <= now:
        expiry = now + LIFETIME
    told = {"user_id": answer.get("userId"), "display_name": answer.get("displayName")}
    known = {name: context.get(name) if v is None else v for name, v in told.items()}
    return Token(
        value=value,
        headers={"Authorization": f"Bearer {value}"},
        base_url=f"{credentials.scheme}://{host}/API",
        issued_at=now,
        expires_at=min(expiry, now + LONGEST_LIFETIME),
        context=known | {"hostname": host},
        renewal=renewal or None,
    )


def _renewal_keys(credentials: Credentials) -> tuple[str, ...]:
    """Return the names under which the renewal token is sent: old and new documents differ."""
    both = ("rToken", "RenewalToken")
    return both if credentials.extend_key == "both" else (credentials.extend_key,)


def _normal(text: str) -> str:
    """Return ``host[:port]`` in the one form that can be compared."""
    return addresses.join_host(*addresses.split_host(text.strip()))


def _host(members: Document, text: str) -> str:
    """Return *text* as a host with its port, if it has one."""
    try:
        return _normal(text)
    except ValueError:
        raise members.wrong("host", "must be a host name, with a port if need be") from None


def _allowed(members: Document) -> list[str]:
    """Return where a login may lead, in lower case."""
    hosts = members.texts("allowed_hosts", [".vendorlink.nl"])
    try:
        return [
            "." + _normal(host[1:]) if host.startswith(".") else _normal(host) for host in hosts
        ]
    except ValueError:
        raise members.wrong("allowed_hosts", "must be host names or .suffixes") from None
