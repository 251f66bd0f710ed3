"""Vendorlink's endpoints: a login, and the extension of a session by a renewal token.

A login is answered at the user's host, or with the name of another host. A renewal token is usable
once. https://vendorlink.zendesk.com/hc/nl/articles/360009375660-ISPnext-API-Authentication
https://helpcenter.ispnext.com/hc/en-gb/articles/26245634683036
"""

from typing import TYPE_CHECKING

from token_broker_fakes.opaque import uuid
from token_broker_fakes.vendorlink.modes import is_own, next_host, twin
from token_broker_fakes.vendorlink.sessions import Access, Renewal, User
from token_broker_fakes.wire import Answer, Call, Refused, in_json

if TYPE_CHECKING:
    from token_broker_fakes.vendorlink.fake import FakeVendorlink

FAILURES: dict[str, tuple[int, bytes]] = {
    "empty200": (200, b""),
    "204": (204, b""),
    "null": (200, b"null"),
    "object": (200, b"{}"),
    "400": (400, b""),
    "401": (401, b""),
    "403": (403, b""),
}


def log_in(vendorlink: "FakeVendorlink", call: Call) -> Answer:
    """Return a pair of tokens, or the host at which to log in."""
    if not is_own(call.host):
        vendorlink.log.breaches.append(f"credentials were sent to {call.host}")
    user = user_of(vendorlink, call)
    elsewhere = next_host(vendorlink.modes.elsewhere, call.host, vendorlink.leads)
    if elsewhere is not None:
        return in_json(200, {"hostname": elsewhere}, f"sent to {elsewhere}")
    return session_of(vendorlink, call, user)


def session_of(vendorlink: "FakeVendorlink", call: Call, user: User) -> Answer:
    """Return a pair of tokens."""
    if vendorlink.modes.older_sessions == "killed":
        vendorlink.tokens.end_sessions(user)
    host = twin(call.host) if vendorlink.modes.hostname == "twin" else call.host
    now = vendorlink.now
    access = vendorlink.tokens.open(vendorlink.modes, user, host, uuid(vendorlink.tokens.rng), now)
    renewal = vendorlink.tokens.renewal(vendorlink.modes, access, now)
    body = (
        access.members()
        | {"renewalToken": renewal.token}
        | hostname(vendorlink.modes.hostname, host)
    )
    return in_json(200, body, f"session of {user.username}")


def user_of(vendorlink: "FakeVendorlink", call: Call) -> User:
    """Return the user of the name and password in *call*."""
    body = call.json() if call.is_json else None
    if isinstance(body, dict) and vendorlink.modes.api == "on":
        for user in vendorlink.users:
            if body.get("u") == user.username and user.accepts(
                body.get("p"), vendorlink.modes.lockout
            ):
                return user
    raise failed(vendorlink.modes.login_failure, "login failed")


def hostname(mode: str, host: str) -> dict[str, str | None]:
    """Return the member ``hostname`` under *mode*."""
    forms = {"empty": "", "null": None}
    return {} if mode == "absent" else {"hostname": forms.get(mode, host)}


CONTENT_TYPES = {
    "utf-8": "application/json; charset=utf-8",
    "utf8": "application/json; charset=utf8",
    "colon": "application/json: charset=utf8",
}
KEYS = {
    "either": ("rToken", "RenewalToken"),
    "rToken": ("rToken",),
    "RenewalToken": ("RenewalToken",),
}


def extend(vendorlink: "FakeVendorlink", call: Call) -> Answer:
    """Return the next pair of tokens for the old access token, which may have expired."""
    renewal = renewal_of(vendorlink, call)
    renewal.is_spent = is_spent(vendorlink)
    old, now = renewal.access, vendorlink.now
    renewal.access = vendorlink.tokens.open(vendorlink.modes, old.user, old.host, old.sid, now)
    body = renewal.access.members()
    match vendorlink.modes.extend_renewal:
        case "rotate":
            body["renewalToken"] = vendorlink.tokens.renewal(
                vendorlink.modes, renewal.access, now
            ).token
        case "null" | "null_spent":
            body["renewalToken"] = None
    return in_json(200, body, f"session of {old.user.username} extended")


def is_spent(vendorlink: "FakeVendorlink") -> bool:
    """Say whether a renewal token is spent by its use."""
    goes_on = vendorlink.modes.extend_renewal in ("null", "absent")
    return vendorlink.modes.renewal_use == "once" and not goes_on


def renewal_of(vendorlink: "FakeVendorlink", call: Call) -> Renewal:
    """Return the renewal token in *call*, if it is valid."""
    renewal = vendorlink.tokens.renewals.get(sent(vendorlink, call))
    if renewal is None or renewal.expires_at <= vendorlink.now:
        raise refused(vendorlink, "no such renewal token")
    if renewal.is_spent:
        vendorlink.reused.append(renewal.token)
        raise refused(vendorlink, "renewal token reused")
    access = renewal.access
    if bearer(call) != access.token or access.is_killed or access.host != call.host:
        raise refused(vendorlink, "not the access token that came with it")
    return renewal


def sent(vendorlink: "FakeVendorlink", call: Call) -> str:
    """Return the renewal token in the body, with the key and content type of the modes."""
    body = call.json() if call.is_json else None
    type_ = call.headers.get("content-type", "")
    is_typed = type_ == CONTENT_TYPES.get(vendorlink.modes.extend_content_type, type_)
    if not isinstance(body, dict) or not is_typed:
        raise refused(vendorlink, "not the body that is expected")
    return str(next((body[key] for key in KEYS[vendorlink.modes.extend_key] if key in body), ""))


def refused(vendorlink: "FakeVendorlink", why: str) -> Refused:
    """Return the refusal of an extension, to be raised."""
    return failed(vendorlink.modes.extend_failure, why)


def live(vendorlink: "FakeVendorlink", call: Call) -> Access:
    """Return the session of the access token in *call*. Raises a 401 if it is dead."""
    access = vendorlink.tokens.access.get(bearer(call))
    if access is None or access.is_dead(vendorlink.now) or access.host != call.host:
        raise failed("401", "no live access token of this host")
    return access


def bearer(call: Call) -> str:
    """Return the access token in *call*, or an empty text."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


def failed(mode: str, why: str) -> Refused:
    """Return the failure under *mode*, to be raised."""
    status, content = FAILURES[mode]
    headers = {"Content-Type": "application/json"} if content else {}
    return Refused(Answer(status, headers, content, why))
