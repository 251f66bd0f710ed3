"""The three vendors as a run needs them: a fake, secrets for it, and what requests are about."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Protocol

from tests.protocol.simulation.plans import FlowName, Plan
from token_broker import editor, vendorlink, vntana
from token_broker.exchange import Request, Response
from token_broker.tools import Flow
from token_broker.variants import ONLY, Variant
from token_broker_fakes.editor import EditorModes, FakeEditor
from token_broker_fakes.vendorlink import FakeVendorlink, User, VendorlinkModes
from token_broker_fakes.vntana import Account, FakeVntana, Organization, VntanaModes, Workspace

ACME, STUDIO = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "ab")
CHAIRS, TABLES = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "cd")
GUEST = "ORGANIZATION_CLIENT_MEMBER"
STEPS_TO_TOKEN = frozenset({"login", "extend", "generate", "enter organization", "enter workspace"})


def no_sleep(seconds: float) -> None:
    """Take no time: a run's delays are the scheduler's."""
    del seconds


def member(response: Response, name: str) -> str | None:
    """Return a member of an answer's JSON."""
    body = response.json()
    return body.get(name) if isinstance(body, dict) else None


class Vendor(Protocol):
    """One vendor."""

    flow: Flow
    bodies: Sequence[Mapping[str, Any]]
    """What callers ask for, one for each variant and each way to name it."""

    def answer(self, request: Request) -> Response:
        """Answer *request* as the vendor does."""

    def secret(self, password: str, *, is_other: bool) -> dict[str, Any]:
        """Return a secret; *is_other*: with other defaults."""

    def set_password(self, password: str) -> None:
        """Accept this password and no other."""

    def key(self, request: Request) -> str | None:
        """Return the variant whose token *request* makes; None if it makes none."""

    def password(self, request: Request) -> str | None:
        """Return the password that *request* is a login with."""

    def token(self, response: Response) -> str | None:
        """Return the token that an answer hands out."""

    def is_ended(self, token: str) -> bool:
        """Say whether the vendor ended *token* before its time."""

    def revoke(self) -> None:
        """End all tokens."""

    def wanted(self, body: Mapping[str, Any], *, is_other: bool) -> str:
        """Return the variant that a call is for, with the defaults of a secret."""


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


class Editor:
    """One application, whose key opens editors for one set of parameters each."""

    flow: Flow = editor
    bodies: Sequence[Mapping[str, Any]] = (
        {},
        {"parameters": {"userId": "one"}},
        {"parameters": {"userId": "two", "file": "b.dwg"}},
    )

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        modes = EditorModes(lifetime=plan.lifetime, **plan.modes)
        self.fake = FakeEditor({}, modes, clock=clock, rng=Random(plan.seed), sleep=no_sleep)

    def answer(self, request: Request) -> Response:
        return self.fake(request)

    def secret(self, password: str, *, is_other: bool) -> dict[str, Any]:
        return {
            "api_key": password,
            "editor_url": "https://editor.example.com/",
            "parameters": self._defaults(is_other=is_other),
        }

    def set_password(self, password: str) -> None:
        self.fake.keys.clear()
        self.fake.keys[password] = "application"

    def key(self, request: Request) -> str | None:
        is_made = request.step == "generate"
        return Variant("parameters", {"parameters": request.json}).key if is_made else None

    def password(self, request: Request) -> str | None:
        return request.headers.get("x-api-key")

    def token(self, response: Response) -> str | None:
        return member(response, "token")

    def is_ended(self, token: str) -> bool:
        return bool(self.fake.openings[token].end)

    def revoke(self) -> None:
        self.fake.revoke()

    def wanted(self, body: Mapping[str, Any], *, is_other: bool) -> str:
        parameters = self._defaults(is_other=is_other) | dict(body.get("parameters", {}))
        return Variant("parameters", {"parameters": parameters}).key

    def _defaults(self, *, is_other: bool) -> dict[str, Any]:
        return {"userId": "zero", "file": "z.dwg" if is_other else "a.dwg"}


VENDORS: dict[FlowName, type[Vendorlink] | type[Vntana] | type[Editor]] = {
    "vendorlink": Vendorlink,
    "vntana": Vntana,
    "editor": Editor,
}
