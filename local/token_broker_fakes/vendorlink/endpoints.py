"""Vendorlink's endpoints: a login, and the extension of a session by a renewal token.

A login is answered at the user's host, or with the name of another host. A renewal token is usable
once. https://vendorlink.zendesk.com/hc/nl/articles/360009375660-ISPnext-API-Authentication
https://helpcenter.ispnext.com/hc/en-gb/articles/26245634683036
"""

from token_broker_fakes.opaque import uuid
from token_broker_fakes.vendorlink.modes import is_own, next_host, twin
from token_broker_fakes.vendorlink.realm import Realm, bearer, failed
from token_broker_fakes.vendorlink.sessions import Renewal, User
from token_broker_fakes.wire import Answer, Call, Refused, in_json


def log_in(realm: Realm, call: Call) -> Answer:
    """Return a pair of tokens, or the host at which to log in."""
    if not is_own(call.host):
        realm.log.breaches.append(f"credentials were sent to {call.host}")
    user = user_of(realm, call)
    elsewhere = next_host(realm.modes.elsewhere, call.host, realm.leads)
    if elsewhere is not None:
        return in_json(200, {"hostname": elsewhere}, f"sent to {elsewhere}")
    return session_of(realm, call, user)


def session_of(realm: Realm, call: Call, user: User) -> Answer:
    """Return a pair of tokens."""
    if realm.modes.older_sessions == "killed":
        realm.tokens.end_sessions(user)
    host = twin(call.host) if realm.modes.hostname == "twin" else call.host
    now = realm.clock.now()
    access = realm.tokens.open(realm.modes, user, host, uuid(realm.tokens.rng), now)
    renewal = realm.tokens.renewal(realm.modes, access, now)
    body = access.members() | {"renewalToken": renewal.token} | hostname(realm.modes.hostname, host)
    return in_json(200, body, f"session of {user.username}")


def user_of(realm: Realm, call: Call) -> User:
    """Return the user of the name and password in *call*."""
    body = call.json() if call.is_json else None
    if isinstance(body, dict) and realm.modes.api == "on":
        for user in realm.users:
            if body.get("u") == user.username and user.accepts(body.get("p"), realm.modes.lockout):
                return user
    raise failed(realm.modes.login_failure, "login failed")


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


def extend(realm: Realm, call: Call) -> Answer:
    """Return the next pair of tokens for the old access token, which may have expired."""
    renewal = renewal_of(realm, call)
    renewal.is_spent = is_spent(realm)
    old, now = renewal.access, realm.clock.now()
    renewal.access = realm.tokens.open(realm.modes, old.user, old.host, old.sid, now)
    body = renewal.access.members()
    match realm.modes.extend_renewal:
        case "rotate":
            body["renewalToken"] = realm.tokens.renewal(realm.modes, renewal.access, now).token
        case "null" | "null_spent":
            body["renewalToken"] = None
    return in_json(200, body, f"session of {old.user.username} extended")


def is_spent(realm: Realm) -> bool:
    """Say whether a renewal token is spent by its use."""
    goes_on = realm.modes.extend_renewal in ("null", "absent")
    return realm.modes.renewal_use == "once" and not goes_on


def renewal_of(realm: Realm, call: Call) -> Renewal:
    """Return the renewal token in *call*, if it is valid."""
    renewal = realm.tokens.renewals.get(sent(realm, call))
    if renewal is None or renewal.expires_at <= realm.clock.now():
        raise refused(realm, "no such renewal token")
    if renewal.is_spent:
        realm.reused.append(renewal.token)
        raise refused(realm, "renewal token reused")
    access = renewal.access
    if bearer(call) != access.token or access.is_killed or access.host != call.host:
        raise refused(realm, "not the access token that came with it")
    return renewal


def sent(realm: Realm, call: Call) -> str:
    """Return the renewal token in the body, with the key and content type of the modes."""
    body = call.json() if call.is_json else None
    type_ = call.headers.get("content-type", "")
    is_typed = type_ == CONTENT_TYPES.get(realm.modes.extend_content_type, type_)
    if not isinstance(body, dict) or not is_typed:
        raise refused(realm, "not the body that is expected")
    return str(next((body[key] for key in KEYS[realm.modes.extend_key] if key in body), ""))


def refused(realm: Realm, why: str) -> Refused:
    """Return the refusal of an extension, to be raised."""
    return failed(realm.modes.extend_failure, why)
