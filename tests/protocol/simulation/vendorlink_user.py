"""Vendorlink, with one user whose logins may end his older sessions."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tests.protocol.simulation.plans import Plan
from tests.protocol.simulation.vendor import member, no_sleep
from token_broker.dependencies import Flow
from token_broker.exchange import Request, Response
from token_broker.flows.vendorlink import flow as vendorlink
from token_broker.tokens import ONLY
from token_broker_fakes.vendorlink import FakeVendorlink, User, VendorlinkModes

STEPS_TO_TOKEN = frozenset({"login", "extend"})


class Vendorlink:
    """One user whose logins may end his older sessions."""

    flow: Flow = vendorlink
    bodies: Sequence[Mapping[str, Any]] = ({},)

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self._user = User(password="")
        modes = VendorlinkModes(lifetime=plan.lifetime, **plan.modes)
        self._is_dropping = plan.modes.get("extend_renewal") == "null_spent"
        leads = {"app.vendorlink.nl": "app2.vendorlink.nl"} if plan.seed % 3 == 0 else {}
        self.fake = FakeVendorlink(
            [self._user], modes, leads=leads, clock=clock, rng=Random(plan.seed), sleep=no_sleep
        )

    def answer(self, request: Request) -> Response:
        return self.fake(request)

    def secret(self, password: str, *, is_other: bool) -> dict[str, Any]:
        del is_other
        names = {"username": "demo", "password": password, "host": "app.vendorlink.nl"}
        return names | ({"options": {"null_renewal": "drop"}} if self._is_dropping else {})

    def set_password(self, password: str) -> None:
        self._user.password = password

    def key(self, request: Request) -> str | None:
        return ONLY if request.step in STEPS_TO_TOKEN else None

    def password(self, request: Request) -> str | None:
        body = request.json
        return body["p"] if request.step == "login" and isinstance(body, dict) else None

    def token(self, response: Response) -> str | None:
        return member(response, "accessToken")

    def is_ended(self, token: str) -> bool:
        return self.fake.tokens.access[token].is_killed

    def revoke(self) -> None:
        self.fake.revoke()

    def wanted(self, body: Mapping[str, Any], *, is_other: bool) -> str:
        del body, is_other
        return ONLY
