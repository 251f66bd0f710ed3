"""Vendorlink, with two users whose logins may end their older sessions."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.protocol.simulation.plans import Plan, Setting
from tests.protocol.simulation.vendor import Vendor, credential_in, members, no_sleep
from token_broker.exchange import Request, Response
from token_broker.flows.vendorlink import FLOW
from token_broker.tokens import ONLY
from token_broker_fakes.vendorlink import FakeVendorlink, User, VendorlinkModes

STEPS_TO_TOKEN = frozenset({"login", "extend"})


class Vendorlink(Vendor):
    """Two users whose logins may end their older sessions."""

    flow = FLOW
    bodies = ({},)
    modes = (
        {"older_sessions": "killed"},
        {"older_sessions": "killed", "extend_renewal": "null"},
        {"older_sessions": "killed", "extend_renewal": "null_spent"},
        {"older_sessions": "killed", "login_failure": "401"},
    )
    longest_run = 10
    commits = (7, 8)
    last_writes = (6,)
    fake: FakeVendorlink

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self._users = [User(f"user{n}", password="", user_id=n) for n in range(2)]
        modes = VendorlinkModes(lifetime=plan.lifetime, **plan.modes)
        self._is_dropping = plan.modes.get("extend_renewal") == "null_spent"
        self._leads = plan.seed % 3 == 0
        hosts = range(3) if self._leads else ()
        self.fake = FakeVendorlink(
            self._users,
            modes,
            leads={f"app.host{n}.vendorlink.nl": f"app2.host{n}.vendorlink.nl" for n in hosts},
            clock=clock,
            rng=Random(plan.seed),
            sleep=no_sleep,
        )

    def secret(self, setting: Setting) -> dict[str, Any]:
        names = {
            "username": self._users[setting.user].username,
            "password": setting.password,
            "host": f"app.host{setting.host}.vendorlink.nl",
            "allowed_hosts": [f".host{setting.host}.vendorlink.nl"],
        }
        return names | ({"options": {"null_renewal": "drop"}} if self._is_dropping else {})

    def bases(self, setting: Setting) -> frozenset[str]:
        host = f"host{setting.host}.vendorlink.nl"
        return frozenset(f"https://{name}.{host}/API" for name in ("app", "app2"))

    def describes(self, context: Mapping[str, Any], setting: Setting, since: float) -> bool:
        del since
        user = self._users[setting.user]
        return context["user_id"] == user.user_id and context["hostname"] in self.hosts(setting)

    def set_password(self, user: int, password: str) -> None:
        self._users[user].password = password

    def key(self, request: Request) -> str | None:
        return ONLY if request.step in STEPS_TO_TOKEN else None

    def credential(self, request: Request) -> str | None:
        return credential_in(request, [one.username for one in self._users], "u", "p")

    def tokens(self, response: Response) -> list[str]:
        return members(response, "accessToken")

    def is_ended(self, token: str) -> bool:
        return self.fake.tokens.access[token].is_killed

    def ends_at(self, token: str) -> float:
        return self.fake.tokens.access[token].expires_at

    def wanted(self, body: Mapping[str, Any], setting: Setting, since: float) -> set[str]:
        del body, setting, since
        return {ONLY}
