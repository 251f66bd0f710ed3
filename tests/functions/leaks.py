"""Planted leaks, one for each way out of the program. All of them must be found."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from token_broker import handler, telemetry, upstream_message
from token_broker.aws.fast_client import FastClient
from token_broker.cache import CachedToken
from token_broker.errors import BrokerError
from token_broker.events import origin_of
from token_broker.exchange import Request, Response
from token_broker.item import Item
from token_broker.refresh.announcements import Announcements
from token_broker.refresh.attempt import ExchangeAttempt
from token_broker.refresh.outcome import Outcome
from token_broker.store import Store
from token_broker.tokens import Token
from token_broker.transport.client import Transport

Plant = Callable[[pytest.MonkeyPatch], object]


@dataclass(frozen=True)
class Leak:
    """A planted leak of a secret, and the calls that show it."""

    name: str
    plant: Plant
    steps: tuple[str, ...] = ("token",)
    flow: str = "vendorlink"
    fault: str = "html"


def sending(output: Callable[[Request, Response], object]) -> Plant:
    """Return a leak in the processing of a request and its response."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        original = Transport.send

        def send(self: Transport, request: Request, seconds: float) -> Response:
            response = original(self, request, seconds)
            output(request, response)
            return response

        patch.setattr(Transport, "send", send)

    return plant


def behind(patch: pytest.MonkeyPatch) -> None:
    """Raise an error without the secret to a direct invoker, with one that has it as its cause."""
    secrets: list[object] = []
    original = ExchangeAttempt._converse

    def run(self: ExchangeAttempt) -> Any:
        secrets.append(self._invocation.secret.credentials().password)
        return original(self)

    def exception_of(error: BrokerError) -> Exception:
        failure = LookupError(f"it failed with {error.code}")
        failure.__context__ = ValueError(*secrets)
        return failure

    patch.setattr(ExchangeAttempt, "_converse", run)
    patch.setattr(handler, "exception_of", exception_of)


def in_frames(patch: pytest.MonkeyPatch) -> None:
    """Raise from within, so that the frames below can be looked at."""
    original = handler.Service.__call__

    def call(self: handler.Service, event: Any, context: Any) -> Any:
        if "requestContext" in event:
            return original(self, event, context)
        return self._guarded(event, origin_of(event, context.invoked_function_arn), context)

    patch.setattr(handler.Service, "__call__", call)


def in_dimension(patch: pytest.MonkeyPatch) -> None:
    original = telemetry.counted

    def line(event: str, flow: str, *rest: Any) -> str:
        return original(event, TOLD[-1][:24] if TOLD else flow, *rest)

    patch.setattr(telemetry, "counted", line)
    remembering(patch)


def remembering(patch: pytest.MonkeyPatch) -> None:
    """Keep the tokens that are made where a leak finds them."""
    TOLD.clear()
    original = Outcome.keep_token

    def keep(self: Outcome, token: Token) -> CachedToken | None:
        TOLD.append(token.value)
        return original(self, token)

    patch.setattr(Outcome, "keep_token", keep)


TOLD: list[str] = []


def in_clear(patch: pytest.MonkeyPatch) -> None:
    original = Store.commit

    def commit(self: Store, lease: Item, token: Any, **named: Any) -> Item | None:
        return original(self, lease, dict(token) | {"plain": TOLD[-1]}, **named)

    remembering(patch)
    patch.setattr(Store, "commit", commit)


def on_bus(patch: pytest.MonkeyPatch) -> None:
    def send(self: Announcements, what: str, version: str | None = None, **_: object) -> bool:
        del version
        secret = self._deps.secrets.current(self._names["connection"])
        return self._deps.announce(what, {"secret": secret.content})

    patch.setattr(Announcements, "send", send)


def in_status(patch: pytest.MonkeyPatch) -> None:
    from token_broker import status  # noqa: PLC0415 (loaded when it is used)

    original = status.entry
    remembering(patch)

    def entry(item: Item, gate: Item, now: int, version: str) -> dict[str, Any]:
        return original(item, gate, now, version) | {"was": TOLD[-1][:12]}

    patch.setattr(status, "entry", entry)


def chatting(patch: pytest.MonkeyPatch) -> None:
    """Let the libraries log at DEBUG, and boto3 replace the fast client."""
    patch.setattr(FastClient, "call", lambda *_: None)
    patch.setattr(telemetry, "hush", lambda _: None)
    for name in telemetry.CHATTY:
        logger = logging.getLogger(name)
        patch.setattr(logger, "propagate", True)
        patch.setattr(logger, "level", logging.DEBUG)
        for each in (name, "botocore.endpoint", "botocore.parsers"):
            logging.getLogger(each).manager._clear_cache()  # type: ignore[attr-defined]  # it remembers who was silent


def unmasked(patch: pytest.MonkeyPatch) -> None:
    """Show the vendor's words as they are."""

    def message(response: Response, *_: object) -> str:
        return str(response.json()["message"])

    patch.setattr(upstream_message, "upstream_message", message)


def written(text: str) -> None:
    print(text)  # noqa: T201 (as a defect would)


LEAKS = (
    Leak("a header is logged", sending(lambda _, r: written(str(dict(r.headers)))), flow="vntana"),
    Leak(
        "half a header is logged, in another case",
        sending(lambda q, _: logging.getLogger("vendor").info("%s", {**q.headers})),
        flow="editor",
    ),
    Leak("an error's context quotes it", behind, ("wrong", "wrong", "token", "token")),
    Leak("an error's frames hold it", in_frames, ("token", "nonsense")),
    Leak("a metric has a token as its dimension", in_dimension),
    Leak("a token is kept in clear", in_clear),
    Leak("an event has the secret", on_bus, ("wrong", "wrong", "token")),
    Leak("the state has the beginning of a token", in_status, ("token", "status")),
    Leak("libraries may say what they like", chatting),
    Leak("the vendor's words are not masked", unmasked, ("fault", "token"), fault="echo"),
)
