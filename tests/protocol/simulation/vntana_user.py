"""VNTANA with two users: each administers one organization, and is a member of the other's."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.protocol.simulation.plans import Plan, Setting
from tests.protocol.simulation.vendor import Vendor, credential_in, no_sleep
from token_broker.exchange import Request, Response
from token_broker.flows.vntana import FLOW
from token_broker.tokens import Variant
from token_broker_fakes.vntana import Account, FakeVntana, Organization, VntanaModes, Workspace

ACME, STUDIO = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "ab")
CHAIRS, TABLES, DESKS = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "cde")
NOWHERE = "00000000-0000-4000-8000-00000000000f"
MEMBER, ADMIN = "ORGANIZATION_CLIENT_MEMBER", "ORGANIZATION_ADMIN"
WORKSPACES = {ACME: {"desks": DESKS}, STUDIO: {"chairs": CHAIRS, "tables": TABLES}}
SLUGS = {"acme": ACME, "studio": STUDIO}
WRONG_WORKSPACE = "wrong_workspace"
"""A mode of the simulation only: the error code for an unknown workspace. The listing is then not
complete, so the broker has to try a workspace that is not listed."""


class Vntana(Vendor):
    """Two users of two organizations, one with a workspace and one with two."""

    flow = FLOW
    bodies = (
        {},
        {"organization": "acme"},
        {"organization": ACME, "workspace": DESKS},
        {"organization": "studio", "workspace": "chairs"},
        {"organization": STUDIO, "workspace": TABLES},
    )
    bad_bodies = (
        {"organization": "studio", "workspace": NOWHERE},
        {"organization": ACME, "workspace": NOWHERE},
        {"organization": "nowhere"},
        {"organization": "studio", "workspace": "nowhere"},
    )
    weight = 3
    modes = (
        {},
        {"login_token": "spent"},
        {"dead_token": "401"},
        {"wrong_password": "401"},
        {WRONG_WORKSPACE: "FORBIDDEN"},
        {WRONG_WORKSPACE: "BAD_CREDENTIALS"},
    )
    longest_run = 36
    last_writes = (13, 19)
    rotations = ("other user", "other user", "bad secret", "other host", "other defaults")
    token_header = "x-auth-token"
    fake: FakeVntana

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self._clock = clock
        modes = {name: value for name, value in plan.modes.items() if name != WRONG_WORKSPACE}
        self._wrong_workspace = plan.modes.get(WRONG_WORKSPACE)
        self._accounts = [account(0), account(1)]
        self._roles: dict[tuple[int, str], list[tuple[float, str]]] = {}
        """The roles of a user in an organization, each with its begin."""
        self._note_roles(0.0)
        self.fake = FakeVntana(
            self._accounts,
            VntanaModes(lifetime=plan.lifetime, **modes),
            clock=clock,
            rng=Random(plan.seed),
            sleep=no_sleep,
        )
        self._lifetime = plan.lifetime

    def answer(self, request: Request) -> Response:
        response = self.fake(request)
        if not self._wrong_workspace:
            return response
        content = response.content.replace(b"INVALID_CLIENT_UUID", self._wrong_workspace.encode())
        if request.step == "list workspaces":
            content = content.replace(b'"totalCount": 2', b'"totalCount": 3')
        return Response(response.status, response.headers, content)

    def secret(self, setting: Setting) -> dict[str, Any]:
        studio = {"organization": "studio", "workspace": "tables"}
        names = studio if setting.is_other else {"organization": "acme"}
        pins = {"pinned": ["organization"]} if setting.is_pinned else {}
        login = {"email": self._accounts[setting.user].email, "password": setting.password}
        base_url = f"https://api{setting.host}.vntana.test"
        return (
            names | pins | login | {"base_url": base_url, "options": {"lifetime": self._lifetime}}
        )

    def forbids(self, body: Mapping[str, Any], setting: Setting) -> bool:
        given = "studio" if setting.is_other else "acme"
        return setting.is_pinned and body.get("organization", given) != given

    def may_open(self, body: Mapping[str, Any], key: str) -> bool:
        """An administrator's token opens each workspace, so the broker need not try to enter it."""
        is_listed = not self._wrong_workspace or body.get("workspace") != NOWHERE
        opened = Variant("organization", {"organization": STUDIO}).key
        return not is_listed and body["organization"] == "studio" and key == opened

    def bases(self, setting: Setting) -> frozenset[str]:
        return frozenset({f"https://api{setting.host}.vntana.test"})

    def describes(self, context: Mapping[str, Any], setting: Setting, since: float) -> bool:
        if "organization" not in context:
            return True
        roles = self.roles(setting.user, context["organization"], since)
        is_plain = context["workspace"] is None or context["role"] == MEMBER
        return is_plain and context["role"] in roles

    def set_password(self, user: int, password: str) -> None:
        self._accounts[user].password = password

    def change_roles(self) -> None:
        for one in self._accounts:
            for organization in one.organizations:
                organization.role = MEMBER if organization.role == ADMIN else ADMIN
        self._note_roles(self._clock())

    def key(self, request: Request) -> str | None:
        organization = request.headers.get("organizationuuid")
        workspace = request.headers.get("clientuuid")
        if workspace:
            return Variant("workspace", {"organization": organization, "workspace": workspace}).key
        return Variant("organization", {"organization": organization}).key if organization else None

    def credential(self, request: Request) -> str | None:
        return credential_in(request, [one.email for one in self._accounts], "email", "password")

    def tokens(self, response: Response) -> list[str]:
        value = response.headers.get("x-auth-token")
        return [value] if value else []

    def is_ended(self, token: str) -> bool:
        session = self.fake.session(token)
        return session is None or bool(session.end)

    def ends_at(self, token: str) -> float:
        session = self.fake.session(token)
        return session.expires_at if session else 0.0

    def wanted(self, body: Mapping[str, Any], setting: Setting, since: float) -> set[str]:
        names = body or self.secret(setting)
        organization = SLUGS.get(names["organization"], names["organization"])
        rooms = WORKSPACES[organization]
        named = names.get("workspace") or next(iter(rooms))
        by_role = {
            ADMIN: Variant("organization", {"organization": organization}).key,
            MEMBER: Variant(
                "workspace", {"organization": organization, "workspace": rooms.get(named, named)}
            ).key,
        }
        return {by_role[role] for role in self.roles(setting.user, organization, since)}

    def roles(self, user: int, organization: str, since: float) -> set[str]:
        """Return the roles that a user has had in an organization after *since*."""
        history = self._roles[user, organization]
        ends = [at for at, _ in history[1:]] + [float("inf")]
        return {role for (_, role), end in zip(history, ends, strict=True) if end >= since}

    def _note_roles(self, now: float) -> None:
        for user, one in enumerate(self._accounts):
            for organization in one.organizations:
                history = self._roles.setdefault((user, organization.uuid), [])
                history.append((now, organization.role))


def account(user: int) -> Account:
    """Return one of two users: an administrator of the first organization, or of the second."""
    organizations = [
        Organization(
            slug,
            ADMIN if position == user else MEMBER,
            [Workspace(name, uuid=room) for name, room in WORKSPACES[uuid].items()],
            uuid=uuid,
        )
        for position, (slug, uuid) in enumerate(SLUGS.items())
    ]
    return Account(f"user{user}@example.com", "", f"key{user}", organizations)
