"""Vendorlink: a login, at the user's host or on the way to it.

https://vendorlink.zendesk.com/hc/nl/articles/360009375660-ISPnext-API-Authentication
"""

from token_broker_fakes.opaque import uuid
from token_broker_fakes.vendorlink.hosts import is_own, next_host, twin
from token_broker_fakes.vendorlink.realm import Realm, failed
from token_broker_fakes.vendorlink.sessions import User
from token_broker_fakes.wire import Answer, Call, in_json


def log_in(realm: Realm, call: Call) -> Answer:
    """Hand out a pair of tokens, or the name of the host to log in at."""
    if not is_own(call.host):
        realm.log.breaches.append(f"credentials were sent to {call.host}")
    user = user_of(realm, call)
    elsewhere = next_host(realm.modes.elsewhere, call.host, realm.leads)
    if elsewhere is not None:
        return in_json(200, {"hostname": elsewhere}, f"sent to {elsewhere}")
    return session_of(realm, call, user)


def session_of(realm: Realm, call: Call, user: User) -> Answer:
    """Hand out a pair of tokens."""
    if realm.modes.older_sessions == "killed":
        realm.tokens.kill(user)
    host = twin(call.host) if realm.modes.hostname == "twin" else call.host
    now = realm.clock.now()
    access = realm.tokens.open(realm.modes, user, host, uuid(realm.tokens.rng), now)
    renewal = realm.tokens.renewal(realm.modes, access, now)
    body = access.told() | {"renewalToken": renewal.token} | hostname(realm.modes.hostname, host)
    return in_json(200, body, f"session of {user.username}")


def user_of(realm: Realm, call: Call) -> User:
    """Return the user whose name and password came."""
    body = call.json() if call.is_json else None
    if isinstance(body, dict) and realm.modes.api == "on":
        for user in realm.users:
            if body.get("u") == user.username and user.admits(body.get("p"), realm.modes.lockout):
                return user
    raise failed(realm.modes.login_failure, "login failed")


def hostname(mode: str, host: str) -> dict[str, str | None]:
    """Return ``hostname`` as *mode* says."""
    forms = {"empty": "", "null": None}
    return {} if mode == "absent" else {"hostname": forms.get(mode, host)}
