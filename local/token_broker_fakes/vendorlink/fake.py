"""Vendorlink's API, as far as tokens go.

    POST /API/auth/login         user and password                    -> access and renewal token,
                                                                         or the name of another host
    POST /API/auth/extendtoken   old access token and renewal token   -> the next pair
    GET  /API/Queries/List       access token                         -> data; 401 once it expired

https://helpcenter.ispnext.com/hc/en-gb/articles/26245634683036
https://helpcenter.ispnext.com/hc/en-us/articles/360009375660-VendorLink-API-Authentication
"""

from collections.abc import Callable, Sequence
from random import Random
from time import sleep as real_sleep
from time import time
from typing import Any, ClassVar

from token_broker_fakes.fake import Fake, Handler, Sleep
from token_broker_fakes.opaque import uuid
from token_broker_fakes.vendorlink.modes import VendorlinkModes
from token_broker_fakes.vendorlink.places import next_host
from token_broker_fakes.vendorlink.sessions import Access, Renewal, Tokens, User
from token_broker_fakes.wire import Answer, Call, Refused, in_json

CONTENT_TYPES = {
    "utf-8": "application/json; charset=utf-8",
    "utf8": "application/json; charset=utf8",
    "colon": "application/json: charset=utf8",
}
FAILURES: dict[str, tuple[int, bytes]] = {
    "empty200": (200, b""),
    "204": (204, b""),
    "null": (200, b"null"),
    "object": (200, b"{}"),
    "400": (400, b""),
    "401": (401, b""),
    "403": (403, b""),
}
DATA = frozenset(
    {
        ("GET", "/api/queries/list"),
        ("GET", "/api/queries/execute"),
        ("GET", "/api/generic/execute"),
        ("POST", "/api/generic/execute"),
        ("POST", "/api/contracts/contracts"),
        ("POST", "/api/contracts/obligations"),
        ("POST", "/api/contractobligations/contractobligations"),
    }
)


class FakeVendorlink(Fake[VendorlinkModes]):
    """All of Vendorlink's hosts: who is asked is what the URL, or the Host header, says."""

    vendor = "vendorlink"
    steps: ClassVar[frozenset[str]] = frozenset({"login", "extend", "data"})

    def __init__(
        self,
        users: Sequence[User] | None = None,
        modes: VendorlinkModes | None = None,
        *,
        leads: dict[str, str] | None = None,
        clock: Callable[[], float] = time,
        rng: Random | None = None,
        sleep: Sleep = real_sleep,
    ) -> None:
        super().__init__(modes or VendorlinkModes(), clock=clock, rng=rng, sleep=sleep)
        self.users = [User()] if users is None else list(users)
        self.leads = dict(leads or {})
        """Hosts that send a login to another host; each other host logs in by itself."""
        self.tokens = Tokens(self.rng)
        self.reused: list[str] = []
        """Renewal tokens that came a second time: a test asserts that there was none."""

    @staticmethod
    def demo_secret(host: str) -> dict[str, Any]:
        """Return the secret of a connection to the demo's user at *host*, or at a loopback URL."""
        scheme, mark, address = host.rpartition("://")
        user = User()
        secret = {"username": user.username, "password": user.password, "host": address}
        return secret | ({"scheme": scheme} if mark else {})

    def route(self, call: Call) -> tuple[str, Handler] | None:
        """Return the step that *call* is: paths have no case here."""
        place = (call.method, call.path.lower())
        match place:
            case ("POST", "/api/auth/login"):
                return "login", self._login
            case ("POST", "/api/auth/extendtoken"):
                return "extend", self._extend
        return ("data", self._data) if place in DATA else None

    def lost_way(self, call: Call) -> Answer:
        """Answer 405 where another method has this path, else 404."""
        paths = {path for _, path in DATA} | {"/api/auth/login", "/api/auth/extendtoken"}
        status = 405 if call.path.lower() in paths else 404
        return in_json(status, {"message": f"no {call.method} here"}, "no such route")

    def without_token(self, answer: Answer) -> Answer:
        """Return *answer* as an object that lacks its access token."""
        body = Call("", "", "", "", {}, (), answer.content).json()
        if isinstance(body, dict):
            body.pop("accessToken", None)
            return in_json(answer.status, body, answer.led_to)
        return answer

    def describe(self) -> dict[str, Any]:
        """Return the users, where hosts lead, and the tokens that live."""
        now = self.now
        return {
            "users": [{"username": u.username, "user_id": u.user_id} for u in self.users],
            "leads": self.leads,
            "reused": self.reused,
            "access_tokens": [
                {"token": one.token, "username": one.user.username, "expires_at": one.expires_at}
                for one in self.tokens.access.values()
                if not one.is_killed and one.expires_at > now
            ],
            "renewal_tokens": [
                {"token": one.token, "expires_at": one.expires_at}
                for one in self.tokens.renewals.values()
                if not one.is_spent and one.expires_at > now
            ],
        }

    # Logging in

    def _login(self, call: Call) -> Answer:
        user = self._user(call)
        elsewhere = next_host(self.modes.elsewhere, call.host, self.leads)
        if elsewhere is not None:
            return in_json(200, {"hostname": elsewhere}, f"sent to {elsewhere}")
        if self.modes.older_sessions == "killed":
            self.tokens.kill(user)
        access = self.tokens.open(self.modes, user, call.host, uuid(self.rng), self.now)
        renewal = self.tokens.renewal(self.modes, access, self.now)
        body = {**self._pair(access), "renewalToken": renewal.token, **self._hostname(call)}
        return in_json(200, body, f"session of {user.username}")

    def _user(self, call: Call) -> User:
        body = call.json() if call.is_json else None
        if isinstance(body, dict) and self.modes.api == "on":
            for user in self.users:
                if (body.get("u"), body.get("p")) == (user.username, user.password):
                    return user
        raise failed(self.modes.login_failure, "login failed")

    def _hostname(self, call: Call) -> dict[str, str | None]:
        match self.modes.hostname:
            case "absent":
                return {}
            case "empty":
                return {"hostname": ""}
            case "null":
                return {"hostname": None}
        return {"hostname": call.host}

    # Extending

    def _extend(self, call: Call) -> Answer:
        renewal = self._renewal(call)
        self._spend(renewal)
        old = renewal.access
        access = self.tokens.open(self.modes, old.user, old.host, old.sid, self.now)
        body = self._pair(access)
        match self.modes.extend_renewal:
            case "rotate":
                body["renewalToken"] = self.tokens.renewal(self.modes, access, self.now).token
            case "null" | "null_spent":
                body["renewalToken"] = None
        renewal.access = access
        return in_json(200, body, f"session of {old.user.username} extended")

    def _renewal(self, call: Call) -> Renewal:
        renewal = self.tokens.renewals.get(self._sent_renewal(call))
        if renewal is None or renewal.expires_at <= self.now:
            raise self._not_extended("no such renewal token")
        if renewal.is_spent:
            self.reused.append(renewal.token)
            raise self._not_extended("renewal token reused")
        if bearer(call) != renewal.access.token or renewal.access.is_killed:
            raise self._not_extended("not the access token that came with it")
        return renewal

    def _sent_renewal(self, call: Call) -> str:
        body = call.json()
        wanted = self.modes.extend_key
        keys = ("rToken", "RenewalToken") if wanted == "either" else (wanted,)
        type_ = call.headers.get("content-type", "")
        is_typed = type_ == CONTENT_TYPES.get(self.modes.extend_content_type, type_)
        if not (isinstance(body, dict) and call.is_json and is_typed):
            raise self._not_extended("not the body that is expected")
        return str(next((body[key] for key in keys if key in body), ""))

    def _spend(self, renewal: Renewal) -> None:
        goes_on = self.modes.extend_renewal in ("null", "absent")
        renewal.is_spent = self.modes.renewal_use == "once" and not goes_on

    def _not_extended(self, why: str) -> Refused:
        return failed(self.modes.extend_failure, why)

    def _pair(self, access: Access) -> dict[str, Any]:
        return {
            "userId": access.user.user_id,
            "displayName": access.user.display_name,
            "accessToken": access.token,
        }

    # Using

    def _data(self, call: Call) -> Answer:
        access = self.tokens.access.get(bearer(call))
        if access is None or access.is_killed or access.expires_at <= self.now:
            raise failed("401", "no live access token")
        body = {"totalcount": 0, "page": 1, "pagesize": 100, "hasErrors": False}
        body |= {"messages": [], "properties": [], "data": []}  # type: ignore[dict-item]
        return in_json(200, body, f"data for {access.user.username}")


def bearer(call: Call) -> str:
    """Return the access token that *call* carries, or an empty text."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


def failed(mode: str, why: str) -> Refused:
    """Return the failure that *mode* says, to be raised."""
    status, content = FAILURES[mode]
    headers = {"Content-Type": "application/json"} if content else {}
    return Refused(Answer(status, headers, content, why))
