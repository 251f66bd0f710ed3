"""The editor's token service, with two applications."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.protocol.simulation.plans import Plan, Setting
from tests.protocol.simulation.vendor import Vendor, members, no_sleep
from token_broker.exchange import Request, Response
from token_broker.flows.editor import FLOW
from token_broker.tokens import Variant
from token_broker_fakes.editor import EditorModes, FakeEditor

REPEATS = "repeats"
"""A mode of the simulation: the same parameters get the same token for half of its life."""

CLEAR = "clear"
"""Another: a wrong key is rejected with 401, which cannot be about the parameters."""


class Editor(Vendor):
    """Two applications; each token opens an editor for one set of parameters."""

    flow = FLOW
    bodies = (
        {},
        {"parameters": {"userId": "one"}},
        {"parameters": {"userId": "two", "file": "b.dwg"}},
    )
    bad_bodies = (
        {"parameters": {"userId": "three", "auth": "another's"}},
        {"parameters": {"userId": ""}},
    )
    modes = (
        {"auth": "refused", "missing_parameter": "403"},
        {"auth": "refused", "expiration_time": "text"},
        {"auth": "refused", REPEATS: True},
    )
    longest_run = 14
    last_writes = (11, 12)
    rotations = ("other user", "bad secret", "other host", "other defaults")
    token_header = "x-api-token"
    fake: FakeEditor

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        own = {name: value for name, value in plan.modes.items() if name not in (REPEATS, CLEAR)}
        modes = EditorModes(lifetime=plan.lifetime, **own)
        self._is_repeating = REPEATS in plan.modes
        self._is_clear = CLEAR in plan.modes
        self._repeated: dict[str, Response] = {}
        self._passwords = ["", ""]
        self.fake = FakeEditor({}, modes, clock=clock, rng=Random(plan.seed), sleep=no_sleep)

    def answer(self, request: Request) -> Response:
        if self._is_clear and self.credential(request) not in self.fake.keys:
            return Response(401)
        if not self._is_repeating or request.step != "generate":
            return self.fake(request)
        place = f"{self.credential(request)} {self.key(request)}"
        known = self._repeated.get(place)
        (token,) = self.tokens(known) if known else [""]
        opening = self.fake.openings.get(token)
        is_young = opening and opening.expires_at - self.fake.now > self.fake.modes.lifetime / 2
        if known and opening and is_young and not opening.end:
            return known
        self._repeated[place] = response = self.fake(request)
        if not response.is_success:
            del self._repeated[place]
        return response

    def secret(self, setting: Setting) -> dict[str, Any]:
        pins = {"pinned": ["userId"]} if setting.is_pinned else {}
        return pins | {
            "api_key": f"{setting.user}/{setting.password}",
            "editor_url": f"https://editor{setting.host}.test/",
            "token_url": f"https://tokens{setting.host}.test",
            "parameters": self._defaults(setting),
            "options": {"reuse": setting.is_shared},
        }

    def forbids(self, body: Mapping[str, Any], setting: Setting) -> bool:
        user = self._defaults(setting)["userId"]
        return setting.is_pinned and body.get("parameters", {}).get("userId", user) != user

    def hosts(self, setting: Setting) -> frozenset[str]:
        return frozenset({f"tokens{setting.host}.test"})

    def bases(self, setting: Setting) -> frozenset[str]:
        return frozenset({f"https://editor{setting.host}.test"})

    def describes(self, context: Mapping[str, Any], setting: Setting, since: float) -> bool:
        del setting, since
        return not context

    def set_password(self, user: int, password: str) -> None:
        self.fake.keys.pop(f"{user}/{self._passwords[user]}", None)
        self._passwords[user] = password
        self.fake.keys[f"{user}/{password}"] = f"application{user}"

    def key(self, request: Request) -> str | None:
        is_made = request.step == "generate"
        return Variant("parameters", {"parameters": request.json}).key if is_made else None

    def credential(self, request: Request) -> str | None:
        return request.headers.get("x-api-key")

    def tokens(self, response: Response) -> list[str]:
        return members(response, "token")

    def is_ended(self, token: str) -> bool:
        return bool(self.fake.openings[token].end)

    def ends_at(self, token: str) -> float:
        return self.fake.openings[token].expires_at

    def wanted(self, body: Mapping[str, Any], setting: Setting, since: float) -> set[str]:
        del since
        parameters = self._defaults(setting) | dict(body.get("parameters", {}))
        return {Variant("parameters", {"parameters": parameters}).key}

    def _defaults(self, setting: Setting) -> dict[str, Any]:
        return {"userId": "zero", "file": "z.dwg" if setting.is_other else "a.dwg"}
