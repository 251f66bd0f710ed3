"""The editor's token service, with one application."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tests.protocol.simulation.plans import Plan
from tests.protocol.simulation.vendor import member, no_sleep
from token_broker.dependencies import Flow
from token_broker.exchange import Request, Response
from token_broker.flows.editor import flow as editor
from token_broker.tokens import Variant
from token_broker_fakes.editor import EditorModes, FakeEditor


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
