"""VNTANA, with one user: an administrator of one organization, a guest of another."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tests.protocol.simulation.plans import Plan
from tests.protocol.simulation.vendor import no_sleep
from token_broker.dependencies import Flow
from token_broker.exchange import Request, Response
from token_broker.flows.vntana import flow as vntana
from token_broker.tokens import Variant
from token_broker_fakes.vntana import Account, FakeVntana, Organization, VntanaModes, Workspace

ACME, STUDIO = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "ab")
CHAIRS, TABLES = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "cd")
GUEST = "ORGANIZATION_CLIENT_MEMBER"


class Vntana:
    """One user: an administrator of one organization, a guest of another with two workspaces."""

    flow: Flow = vntana
    bodies: Sequence[Mapping[str, Any]] = (
        {},
        {"organization": "acme"},
        {"organization": ACME, "workspace": CHAIRS},
        {"organization": "studio", "workspace": "chairs"},
        {"organization": STUDIO, "workspace": TABLES},
    )

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        rooms = [Workspace("chairs", uuid=CHAIRS), Workspace("tables", uuid=TABLES)]
        places = [
            Organization("acme", uuid=ACME),
            Organization("studio", GUEST, rooms, uuid=STUDIO),
        ]
        self._account = Account("demo@example.com", "", "", places)
        modes = VntanaModes(lifetime=plan.lifetime, **plan.modes)
        rng = Random(plan.seed)
        self._lifetime = plan.lifetime
        self.fake = FakeVntana([self._account], modes, clock=clock, rng=rng, sleep=no_sleep)

    def answer(self, request: Request) -> Response:
        return self.fake(request)

    def secret(self, password: str, *, is_other: bool) -> dict[str, Any]:
        names = (
            {"organization": "studio", "workspace": "tables"}
            if is_other
            else {"organization": "acme"}
        )
        options = {"lifetime": self._lifetime}
        return {"email": "demo@example.com", "password": password, "options": options} | names

    def set_password(self, password: str) -> None:
        self._account.password = password

    def key(self, request: Request) -> str | None:
        organization = request.headers.get("organizationuuid")
        workspace = request.headers.get("clientuuid")
        if workspace:
            return Variant("workspace", {"organization": organization, "workspace": workspace}).key
        return Variant("organization", {"organization": organization}).key if organization else None

    def password(self, request: Request) -> str | None:
        body = request.json
        return body["password"] if request.step == "login" and isinstance(body, dict) else None

    def token(self, response: Response) -> str | None:
        return response.headers.get("x-auth-token")

    def is_ended(self, token: str) -> bool:
        session = self.fake.session(token)
        return session is None or bool(session.end)

    def revoke(self) -> None:
        self.fake.revoke()

    def wanted(self, body: Mapping[str, Any], *, is_other: bool) -> str:
        names = body or ({"organization": "studio", "workspace": "tables"} if is_other else {})
        if names.get("organization", ACME) in ("acme", ACME):
            return Variant("organization", {"organization": ACME}).key
        room = CHAIRS if names["workspace"] == "chairs" else TABLES
        return Variant("workspace", {"organization": STUDIO, "workspace": room}).key
