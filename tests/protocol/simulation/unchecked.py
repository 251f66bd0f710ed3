"""Planted bugs in a check: each takes out what keeps it honest, or harmless."""

from typing import Any

from tests.protocol.simulation.rewrites import Substitutes
from token_broker import check
from token_broker.broker import Answer, Broker
from token_broker.check import Check
from token_broker.dependencies import Dependencies
from token_broker.records import replace
from token_broker.tokens import TokenRequest


def unasked() -> Substitutes:
    return {(Check, "_is_taken"): lambda *_: True}


def unreported() -> Substitutes:
    def replaced(record: Any, **changes: Any) -> Any:
        return replace(record, **{n: v for n, v in changes.items() if n != "rejected"})

    return {(check, "replace"): replaced}


def sent_elsewhere() -> Substitutes:
    original = Check._credentials

    def credentials(self: Check, version: str | None) -> Any:
        del version
        return original(self, None)

    return {(Check, "_credentials"): credentials}


def forced() -> Substitutes:
    original = Check.run

    def run(self: Check, request: TokenRequest) -> dict[str, Any]:
        return original(self, replace(request, force=True))

    return {(Check, "run"): run}


def token_told() -> Substitutes:
    original = Check._is_taken

    def is_taken(self: Check, answer: Answer) -> bool:
        answer.token.context["token"] = answer.token.value  # type: ignore[index]
        return original(self, answer)

    return {(Check, "_is_taken"): is_taken}


def asked_of_any_variant() -> Substitutes:
    class Confused:
        """Returns the first token that its process remembers."""

        def __init__(self, deps: Dependencies) -> None:
            self._broker = Broker(deps)

        def token(self, connection: str, request: TokenRequest, deadline: float) -> Answer:
            found = self._broker.token(connection, request, deadline)
            held = next(iter(self._broker.deps.cache._tokens.values()), None)
            return replace(found, item=held.item, token=held.token) if held else found

    return {(check, "Broker"): Confused}
