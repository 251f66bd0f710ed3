"""Vendorlink's API, as far as tokens go.

    POST /API/auth/login         user and password                    -> access and renewal token,
                                                                         or the name of another host
    POST /API/auth/extendtoken   old access token and renewal token   -> the next pair
    GET  /API/Queries/List       access token                         -> data; 401 once it expired

https://helpcenter.ispnext.com/hc/en-gb/articles/26245634683036
https://helpcenter.ispnext.com/hc/en-us/articles/360009375660-VendorLink-API-Authentication
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Unpack

from token_broker_fakes.fake import SHOWN, Clockwork, Fake, Handler
from token_broker_fakes.opaque import uuid
from token_broker_fakes.vendorlink import endpoints
from token_broker_fakes.vendorlink.modes import DOMAIN, VendorlinkModes, twin
from token_broker_fakes.vendorlink.sessions import Tokens, User
from token_broker_fakes.wire import LOOPBACK, Answer, Call, Data, host_of, in_json

EMPTY: dict[str, Any] = {
    "totalcount": 0,
    "page": 1,
    "pagesize": 100,
    "hasErrors": False,
    "messages": [],
    "properties": [],
    "data": [],
}
"""A generic answer, https://helpcenter.ispnext.com/hc/nl/articles/360013859639"""
WRITTEN: dict[str, Any] = {"hasErrors": False, "messages": []}
DATA: dict[tuple[str, str], Any] = {
    ("GET", "/api/queries/list"): EMPTY,
    ("GET", "/api/queries/execute"): EMPTY,
    ("GET", "/api/generic/execute"): EMPTY,
    ("POST", "/api/generic/execute"): EMPTY,
    ("POST", "/api/contracts/contracts"): WRITTEN,
    ("POST", "/api/contracts/obligations"): WRITTEN,
    ("POST", "/api/contractobligations/contractobligations"): WRITTEN,
}


ROUTES = {
    ("POST", "/api/auth/login"): ("login", endpoints.log_in),
    ("POST", "/api/auth/extendtoken"): ("extend", endpoints.extend),
}


class FakeVendorlink(Fake[VendorlinkModes]):
    """All hosts of Vendorlink. The URL or the Host header selects one."""

    vendor = "vendorlink"
    home = "https://app.vendorlink.nl"
    steps: ClassVar[frozenset[str]] = frozenset({"login", "extend", "data"})
    exchanges: ClassVar[frozenset[str]] = frozenset({"login", "extend"})
    secrets: ClassVar[frozenset[str]] = frozenset({"p"})
    token_members: ClassVar[frozenset[str]] = frozenset({"accessToken"})

    def __init__(
        self,
        users: Sequence[User] | None = None,
        modes: VendorlinkModes | None = None,
        *,
        leads: dict[str, str] | None = None,
        **clockwork: Unpack[Clockwork],
    ) -> None:
        super().__init__(modes or VendorlinkModes(), **clockwork)
        self.data = Data(DATA)
        """Answers to calls with a live access token, by method and path in lower case."""
        self.users = [User()] if users is None else list(users)
        """The accounts. They may be changed at any time."""
        self.leads = dict(leads or {})
        """Hosts that redirect a login to another host."""
        self.tokens = Tokens(self.rng)
        """All issued tokens."""
        self.reused: list[str] = []
        """Renewal tokens that were sent a second time: a test can assert that there are none."""

    def accept(self, secret: Mapping[str, Any]) -> None:
        """Add a user with the name and password of *secret*."""
        self.users.append(User(secret["username"], secret["password"]))

    @staticmethod
    def demo_secret(host: str, /) -> dict[str, Any]:
        """Return the secret of a connection to the demo's user at *host*, or at a URL's.

        On loopback the host's other name is allowed as well, for the modes that lead there.
        """
        scheme, mark, address = host.rpartition("://")
        user = User()
        secret: dict[str, Any] = {"username": user.username, "password": user.password}
        secret |= {"host": address} | ({"scheme": scheme} if mark else {})
        is_local = host_of(address) in LOOPBACK
        return secret | ({"allowed_hosts": [DOMAIN, twin(address)]} if is_local else {})

    def issue(self) -> dict[str, Any]:
        """Make a live token, and return its part of the broker's answer.

        For the first user, at the host of `base`.
        """
        with self.lock:
            sid, host = uuid(self.rng), self.base.rpartition("/")[2]
            access = self.tokens.open(self.modes, self.users[0], host, sid, self.now)
        headers = {"Authorization": f"Bearer {access.token}"}
        return {"headers": headers, "base_url": f"{self.base}/API"}

    def route(self, call: Call) -> tuple[str, Handler] | None:
        """Return the step of *call* and the function that answers it, by the path in lower case."""
        place = (call.method, call.path.lower())
        if place in ROUTES:
            step, handler = ROUTES[place]
            return step, partial(handler, self)
        return ("data", self._data) if place in self.data else None

    def lost_way(self, call: Call) -> Answer:
        """Return 405 if the path has another method, else 404."""
        is_known = any(path == call.path.lower() for _, path in (*ROUTES, *self.data))
        body = {"message": f"no {call.method} here"}
        return in_json(405 if is_known else 404, body, "no such route")

    def revoke(self, token: str | None = None) -> int:
        """End the session of an access *token*, or all sessions; return how many were live."""
        with self.lock:
            lived = [one for one in self.tokens.live(self.now) if token in (None, one.token)]
            for access in lived:
                access.is_killed = True
            return len(lived)

    def describe(self) -> dict[str, Any]:
        """Return users, redirections and live tokens."""
        return {
            "users": [{"username": u.username, "user_id": u.user_id} for u in self.users],
            "leads": self.leads,
            "reused": self.reused,
            "access_tokens": [
                {"token": one.token, "username": one.user.username, "expires_at": one.expires_at}
                for one in self.tokens.live(self.now)[SHOWN:]
            ],
            "renewal_tokens": [
                {"token": one.token, "expires_at": one.expires_at}
                for one in self.tokens.live_renewals(self.now)[SHOWN:]
            ],
        }

    def _data(self, call: Call) -> Answer:
        access = endpoints.live(self, call)
        body = self.data[call.method, call.path.lower()]
        return in_json(200, body, f"data for {access.user.username}")
