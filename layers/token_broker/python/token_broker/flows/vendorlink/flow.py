"""Vendorlink (ISPnext): a login, which may continue at another host, and a renewal token.

    POST /API/auth/login        u, p                         -> accessToken, renewalToken, hostname
                                                             or hostname: log in there
    POST /API/auth/extendtoken  old token, renewal token     -> accessToken, renewalToken or null
    GET  /API/Queries/List      access token                 -> queries: a check

Documentation: https://helpcenter.ispnext.com/hc/en-gb/articles/26245634683036 (lifetimes, single
use) and https://vendorlink.zendesk.com/hc/nl/articles/360009375660 (the two answers to a login).
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from token_broker.errors import CredentialRejected, UpstreamContractChanged, UpstreamRefused
from token_broker.exchange import Conversation, Exchange, Request, Response, sendable
from token_broker.flows.vendor import Vendor
from token_broker.flows.vendorlink.credentials import Credentials, normalized
from token_broker.tokens import Token, Variant

LIFETIME = 3600
"""Seconds that an access token lives if it has no readable `exp`: "60 minutes" (CONN article)."""

LONGEST_LIFETIME = 86_400
"""Seconds. A longer lifetime in a token's `exp` is ignored."""

MOST_HOPS = 3
"""How many times an answer may name another host to log in at."""

DEAD_TOKEN = 401
"""The status by which the vendor's clients recognise an expired access token."""

REFUSALS = frozenset({400, 401, 403})
"""Statuses of a failed login. They are not documented. The vendor's clients expect an empty 2xx."""


def exchange(
    credentials: Credentials, _variant: Variant, now: int, kept: Token | None = None
) -> Exchange:
    """Extend the *kept* token with its renewal token, or log in."""
    if kept and kept.renewal and credentials.allows(kept.context["hostname"]):
        extended = yield from extend(credentials, kept, now)
        if extended:
            return extended
    return (yield from log_in(credentials, now))


def extend(credentials: Credentials, kept: Token, now: int) -> Conversation[Token | None]:
    """Exchange the renewal token for a new access token. None if that fails in any way.

    The access token may have expired: this is the documented use.
    """
    host = kept.context["hostname"]
    both = ("rToken", "RenewalToken")  # old and new documentation differ
    keys = both if credentials.extend_key == "both" else (credentials.extend_key,)
    response: Response = yield Request(
        "POST",
        f"{credentials.base_url(host)}/auth/extendtoken",
        "extend",
        headers={"authorization": f"Bearer {kept.value}", "content-type": credentials.content_type},
        json=dict.fromkeys(keys, kept.renewal),
    )
    answer = response.json() if response.is_success else None
    return _token(credentials, answer, host, now, kept) if isinstance(answer, dict) else None


def log_in(credentials: Credentials, now: int) -> Conversation[Token]:
    """Log in. If the answer names another host, log in there."""
    host, visited = credentials.host, [credentials.host]
    while True:
        response: Response = yield Request(
            "POST",
            f"{credentials.base_url(host)}/auth/login",
            "login",
            headers={"content-type": credentials.content_type},
            json={"u": credentials.username, "p": credentials.password},
            proves_credentials=True,
        )
        answer = _answered(response)
        named = _named_host(credentials, answer, host)
        if not _is_absent(answer.get("accessToken")):
            token = _token(credentials, answer, named, now)
            if token is None:
                raise UpstreamContractChanged("login: the tokens are no texts that can be sent")
            return token
        if named in visited:
            raise UpstreamContractChanged("login: the hosts that it names lead in a circle")
        if len(visited) > MOST_HOPS:
            raise UpstreamContractChanged("login: it was sent on to too many hosts")
        visited.append(named)
        host = named


def check(_credentials: Credentials, token: Token) -> Conversation[bool]:
    """List the queries that the user may execute, as the vendor's QueryToFile does.

    401 means that the token is dead. Other failures may have status 200 and ``hasErrors``.
    """
    response: Response = yield Request(
        "GET",
        f"{token.base_url}/Queries/List",
        "check",
        headers={"authorization": f"Bearer {token.value}"},
    )
    status = response.reached("check").readable("check").status
    if status == DEAD_TOKEN:
        return False
    answer = response.json()
    has_errors = isinstance(answer, dict) and answer.get("hasErrors") is True
    if 400 <= status < 500 or has_errors:  # noqa: PLR2004 (the class of statuses that means "refused")
        raise UpstreamRefused(f"check: refused with {status}", upstream_status=status)
    if not response.is_success or not isinstance(answer, dict | list):
        raise UpstreamContractChanged("check: the answer is no list", upstream_status=status)
    return True


def unverified_expiry(token: str) -> int | None:
    """Return the `exp` claim of *token*; None if it is not a readable JWT.

    That is no error, because the vendor's sample tokens are not readable. The signature is not
    checked: the vendor checks it.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expiry = claims["exp"]
        return int(expiry) if type(expiry) in {int, float} else None
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None


def _answered(response: Response) -> dict[str, Any]:
    """Return the body of a login's answer. Raises `CredentialRejected` if the login was refused."""
    status = response.reached("login").readable("login").status
    if status in REFUSALS:
        raise CredentialRejected("login: refused", upstream_status=status)
    if not response.is_success:
        raise UpstreamContractChanged(f"login: unexpected status {status}", upstream_status=status)
    if response.content.strip() in {b"", b"null"}:
        raise CredentialRejected("login: refused with an empty answer", upstream_status=status)
    answer = response.object("login")
    if _is_absent(answer.get("accessToken")) and _is_absent(answer.get("hostname")):
        raise CredentialRejected("login: refused without a token", upstream_status=status)
    return answer


def _is_absent(member: object) -> bool:
    return member is None or member == ""


def _named_host(credentials: Credentials, answer: Mapping[str, Any], called: str) -> str:
    """Return the host that an answer names, or the *called* one. It must be an allowed host."""
    named = answer.get("hostname")
    if _is_absent(named):
        return called
    try:
        host = normalized(str(named))
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
    kept: Token | None = None,
) -> Token | None:
    """Return the token in *answer*; None if it or its renewal token is no text that can be sent.

    Members that an extension of the *kept* token omits keep their value. An empty renewal token is
    none, as null is: if the one before is spent, all that it costs is a refused extension.
    """
    value, renewal = answer.get("accessToken"), answer.get("renewalToken")
    if not sendable(value) or not isinstance(renewal, str | None):
        return None
    before: Mapping[str, Any] = kept.context if kept else {}
    if kept and not renewal and credentials.null_renewal == "keep":
        renewal = kept.renewal
    named = {"user_id": answer.get("userId"), "display_name": answer.get("displayName")}
    context = {name: before.get(name) if new is None else new for name, new in named.items()}
    expiry = unverified_expiry(value)
    if expiry is None or not now < expiry <= now + LONGEST_LIFETIME:
        # A claim in the past or far in the future is wrong: use the documented lifetime.
        expiry = now + LIFETIME
    return Token(
        value=value,
        headers={"Authorization": f"Bearer {value}"},
        base_url=credentials.base_url(host),
        issued_at=now,
        expires_at=expiry,
        context=context | {"hostname": host},
        renewal=renewal or None,
    )


VENDOR = Vendor(
    parse=Credentials.parse,
    exchange=exchange,
    token_kinds=("login",),
    check=check,
    probe="token_broker.flows.vendorlink.probe",
)
