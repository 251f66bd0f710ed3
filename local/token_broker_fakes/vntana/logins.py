"""VNTANA: two ways to log in.

https://www.vntana.com/resource/api-authentication/
"""

from typing import Any

from token_broker_fakes.vntana.accounts import Account
from token_broker_fakes.vntana.platform import Platform
from token_broker_fakes.vntana.responses import refused, unauthorized
from token_broker_fakes.wire import Answer, Call, Refused


def with_password(platform: Platform, call: Call) -> Answer:
    """Log in with e-mail and password."""
    body = body_of(platform, call)
    for account in platform.accounts:
        if account.email == body.get("email"):
            return guarded(platform, call, account, str(body.get("password")))
    raise bad_credentials(platform, call)


def guarded(platform: Platform, call: Call, account: Account, password: str) -> Answer:
    """Log *account* in, unless it is locked or the password is wrong."""
    if 0 < platform.modes.lockout <= account.failures:
        raise refused(platform.modes, 403, "CLIENT_BLOCKED")
    if account.password != password:
        account.failures += 1
        raise bad_credentials(platform, call)
    account.failures = 0
    return platform.log_in(account)


def with_key(platform: Platform, call: Call) -> Answer:
    """Log in with a personal access token: an account has one, and a new one ends the old."""
    key = body_of(platform, call).get(platform.modes.key_field)
    for account in platform.accounts:
        if account.key == key and platform.modes.key_login == "accepted":
            return platform.log_in(account)
    raise bad_credentials(platform, call)


def body_of(platform: Platform, call: Call) -> dict[str, Any]:
    """Return the JSON of a login, which carries no token."""
    if "x-auth-token" in call.headers:
        raise refused(platform.modes, 400, "BAD_REQUEST")
    if not call.is_json:
        raise refused(platform.modes, 403, "UNSUPPORTED_MEDIA_TYPE")
    body = call.json()
    if not isinstance(body, dict):
        raise refused(platform.modes, 400, "BAD_REQUEST")
    return body


def bad_credentials(platform: Platform, call: Call) -> Refused:
    """Return the refusal of a wrong password or key, to be raised."""
    if platform.modes.wrong_password == "401":
        return unauthorized(platform.modes, call.path)
    return refused(platform.modes, 403, "BAD_CREDENTIALS")
