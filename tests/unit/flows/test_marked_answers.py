"""No error, log line or event tells a part of a vendor's answer, whichever flow reads it.

Each part of each answer is marked once, and refusals quote the secret and the request. A mark looks
like a token: what is shown of the vendor's own message has a mask in its place.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest

from tests.conversations import altered
from tests.functions.canaries import LEAST, traces
from tests.protocol.simulation.vendors import VENDORS
from tests.subjects import FLOWS, canaries, proof, refusal
from tests.unit.memory_broker import MemoryBroker
from token_broker.exchange import Request, Response
from token_broker.records import replace

MARK = "Zm~9/Qx+canary.mark="
HOST = "zm9qx-canary.example"
ODD: tuple[Any, ...] = (MARK, f"{MARK} {MARK}é\n", [MARK], {MARK: MARK})
ECHO = "(what was sent)"
HEADERS = ("x-auth-token", "content-type", "retry-after", "date", "location", "set-cookie")
STATUSES = (200, 302, 400, 401, 403, 404, 500)
REFUSALS: tuple[Any, ...] = (
    {"success": False, "errors": [MARK, {"message": f"no {ECHO}", "code": MARK}]},
    {"error": f"no {ECHO}", MARK: MARK, "hasErrors": True},
)
CODES = ("API_RATE_LIMIT_EXCEEDED", "BAD_CREDENTIALS", "FORBIDDEN", "CLIENT_BLOCKED")
"""Codes of a vendor that change what a refusal means."""

ACTIONS = ("token", "renewal", "check", "verify", "probe", "forget")


def marked(good: Response) -> Iterator[Response]:
    """Yield answers with marks: *good* with one in each place, and refusals of many kinds."""
    body = good.json()
    for other in altered(body, with_mark):
        yield Response(good.status, good.headers, json.dumps(other).encode())
    for name, mark in product(
        {*HEADERS, *good.headers}, (MARK, f"Bearer {MARK} {MARK}", f"{MARK}é")
    ):
        yield Response(good.status, {**good.headers, name: mark}, good.content)
    headers = {**dict.fromkeys(HEADERS, MARK), **good.headers}
    pages = (MARK, f"<html><title>no {ECHO}</title>{MARK}", f'{{"token": "{MARK}')
    more = {**body, "echo": MARK} if isinstance(body, dict) else body
    values = (*REFUSALS, everywhere(body), more, MARK)
    for text, status in product((*pages, *map(json.dumps, values)), STATUSES):
        yield Response(status, headers, text.encode())
    for code, status in product(CODES, (200, 403)):
        refusal = {"success": False, "errors": [code, MARK], "message": f"no {ECHO}"}
        yield Response(status, headers, json.dumps(refusal).encode())


def with_mark(value: object) -> Iterator[object]:
    """Yield what may stand in place of *value*: marks, and another host for a host."""
    yield from ODD
    if isinstance(value, str) and re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", value):
        yield HOST


def everywhere(value: object) -> object:
    """Return *value* with a mark in place of each text."""
    if isinstance(value, dict):
        return {name: everywhere(member) for name, member in value.items()}
    if isinstance(value, list):
        return [everywhere(member) for member in value]
    return MARK if isinstance(value, str) else value


def refused(flow: str, step: str) -> Iterator[Response]:
    """Yield the vendor's refusal of a wrong login with a mark in it, if *step* can have it."""
    if step == proof(flow).step:
        answer = refusal(flow)
        body = answer.json()
        text = answer.content.decode() + MARK
        text = json.dumps({**body, "mark": MARK}) if isinstance(body, dict) else text
        yield Response(answer.status, answer.headers, text.encode())


class Story:
    """An *action* of a connection that has a token, during which the vendor may answer a mark."""

    def __init__(self, flow: str, action: str, body: Mapping[str, Any]) -> None:
        known = {key: f"Zk{number} canary" for number, key in enumerate(canaries(flow))}
        self.broker = MemoryBroker(flow)
        self.broker.fake.accept(known)
        self.broker.put_secret(**known)
        self.good: dict[str, Response] = {}
        """The vendor's answers to the action, by their steps."""
        self.errors: list[str] = []
        self.report: object = None
        self._known = known.values()
        self._secrets = {MARK, HOST, *known.values()}
        self._action, self._body = action, dict(body)
        self._marked: tuple[str, Response] | None = None
        self.broker.service.use(replace(self.broker.deps, send=self._send))

    def told(self, step: str, answer: Response) -> list[str]:
        """Return what is told of marks and secrets, if *answer* is that to *step*."""
        self.act((step, answer))
        telemetry = self.broker.telemetry
        lines = [telemetry.events, self.broker.announced, self.broker.replaced]
        assert telemetry.defects == []
        return traces(self._secrets, repr([self.errors, lines, self.report]).encode())

    def act(self, marked: tuple[str, Response] | None = None) -> None:
        """Act, with a kept token but for the first. After it, a failure may be kept: ask again."""
        headers = {} if self._action == "token" else self._call("token")
        self.good.clear()
        self._marked = marked
        self.broker.now += 3300 * (self._action == "renewal")
        answer = self._call(self._action, *headers.values())
        self.report = answer if self._action == "probe" else None
        if marked:
            self._call("token")

    def _call(self, action: str, verified: str = "", *_: str) -> dict[str, Any]:
        """Return the answer to an action; of a token, its headers."""
        payloads: dict[str, dict[str, Any]] = {
            "token": self._body,
            "renewal": {"force": True} | self._body,
            "check": {"action": "check"} | self._body,
            "verify": {"action": "verify", "token": verified.removeprefix("Bearer ")},
            "probe": {"action": "probe"} | self._body,
            "forget": {"action": "forget"},
        }
        try:
            answer = self.broker.call(**payloads[action])
        except Exception as error:  # noqa: BLE001 (whatever a caller sees of it)
            self.errors.append(repr(error))
            return {}
        assert HOST not in answer.get("base_url", ""), "a token is sent where the vendor says"
        told: dict[str, Any] = answer.get("headers", answer)
        return told

    def _send(self, request: Request, _: float) -> Response:
        assert HOST not in request.url
        if self._marked is None or self._marked[0] != request.step:
            answer = self.broker.fake(request)
            self.good.setdefault(request.step, answer)
            return answer
        sent = [*texts({**request.headers, "content-type": None}), *texts(request.json)]
        sent += [*texts(request.form), *self._known]
        self._secrets |= {word for text in sent if len(word := text.rpartition(" ")[2]) >= LEAST}
        answer = self._marked[1]
        echo = json.dumps(" ".join(sent))[1:-1]
        content = answer.content.replace(ECHO.encode(), echo.encode())
        return Response(answer.status, answer.headers, content)


def texts(value: object) -> list[str]:
    """Return the texts of a JSON value."""
    if isinstance(value, Mapping):
        return [text for member in value.values() for text in texts(member)]
    return [value] if isinstance(value, str) else []


def stories(flow: str, action: str) -> dict[str, tuple[Response, Mapping[str, Any]]]:
    """Return the vendor's answers to an action by their steps, each with a call that has it."""
    found: dict[str, tuple[Response, Mapping[str, Any]]] = {}
    for body in VENDORS[flow].bodies:
        story = Story(flow, action, body)
        story.act()
        found |= {step: (good, body) for step, good in story.good.items() if step not in found}
    return found


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("flow", FLOWS)
def test_no_part_of_an_answer_is_told(flow: str, action: str) -> None:
    known = stories(flow, "token") if action == "renewal" else {}
    for step, (good, body) in stories(flow, action).items():
        answers = [*marked(good), *refused(flow, step)]
        for answer in answers if step not in known else ():
            assert Story(flow, action, body).told(step, answer) == [], (step, answer.content)
