"""Collects all output of the system while it is called: logs, responses, items, pages."""

import json
from collections.abc import Iterator
from typing import Any

from tests.functions.canaries import handed_out, traces
from tests.functions.world import World, client
from tests.subjects import FLOWS, canaries
from token_broker_fakes.control import control
from token_broker_local import log_capture
from token_broker_local.addresses import TABLE, function_name
from token_broker_local.dashboard import Dashboard
from token_broker_local.functions import Function
from token_broker_local.metrics import Metrics
from token_broker_local.states import state

CANARIES = {flow: canaries(flow) for flow in FLOWS}
SESSION = "Vb8~session/canary&x=1"
"""An editor's parameter, of those that are secret themselves: sessionId."""


class Watch:
    """The output for a connection with canary credentials, except tokens handed out."""

    def __init__(self, world: World, flow: str) -> None:
        self.world = world
        self.flow = flow
        self.outputs: list[str] = []
        self.tokens: set[str] = set()
        self.fingerprint = ""
        self._calls = 0
        self._lines: list[str] = []
        world.service(flow)  # from here on nothing chatty is let through, of the test's own either
        self.send = world.service(flow).deps.send
        world.fakes[flow].accept(CANARIES[flow])
        self.connection = world.connect(flow, **CANARIES[flow])

    def call(self, **payload: Any) -> None:
        """Call by both entrances in turn, and keep the responses."""
        body = {name: value for name, value in payload.items() if name != "action"}
        if self.flow == "editor" and "action" not in payload:
            body |= {"parameters": {"userId": "1", "sessionId": SESSION}}
        self._calls += 1
        if "action" not in payload and self._calls % 2:
            self._keep(self.world.http(self.flow, self.connection, body))
            return
        try:
            self._keep({"body": self.world.call(self.flow, self.connection, **payload | body)})
        except Exception as error:  # noqa: BLE001 (whatever a caller sees of it)
            self.outputs.extend(chain(error))

    def rotate(self, tail: str = "") -> None:
        """Set a new version of the secret, wrong at its end if there is a *tail*."""
        canary = dict(CANARIES[self.flow])
        canary[[*canary][-1]] += tail
        secret = self.world.secret(self.flow) | canary
        self.world.put_secret(self.flow, self.connection, secret)

    def found(self, *written: str) -> list[str]:
        """Return the beginnings of the secrets that are in *written* or anywhere else."""
        passwords = [*CANARIES[self.flow].values(), SESSION]
        everything = "\n".join([*self.outputs, *written, *self._stored(), *self._shown(*written)])
        at_vendor = self._control()
        leaked = traces([*passwords, *self.tokens], everything.encode())
        return leaked + traces(passwords[-2:-1], at_vendor.encode())

    def _keep(self, response: dict[str, Any]) -> None:
        body = response["body"]
        if "headers" in body:
            self.tokens.update(handed_out(body))
            del body["headers"]
        for name in ("url", "parameters"):  # with the token in it, and what a token stands for
            body.pop(name, None)
        self.fingerprint = body.get("fingerprint", self.fingerprint)
        self.outputs.append(json.dumps(response))

    def _stored(self) -> list[str]:
        """Return the table's raw items, and the events on the bus."""
        items = client("dynamodb").scan(TableName=TABLE)["Items"]
        return [repr(items), repr(self.world.announced), repr(self.world.invoked)]

    def _shown(self, *written: str) -> list[str]:
        """Return the output of `make run`: log lines, dashboard, a failed invocation."""
        service = self.world.service(self.flow)
        function = Function(function_name(self.flow), service, report=self._lines.append)
        states = [state(function, self.flow, self.connection)]
        failed = function.invoke(json.dumps({"connection": self.connection, "x": 1}).encode())
        dashboard = Dashboard(Metrics(), lambda: states)
        for text in written:
            dashboard.record(text)
        page = dashboard.content(None)
        phrases = [phrase for text in written for phrase in log_capture.phrases(text)]
        return [json.dumps(page), failed.payload.decode(), *phrases, *self._lines]

    def _control(self) -> str:
        """Return the output of the fake's control endpoint: it shows tokens, but no credentials."""
        fake = self.world.fakes[self.flow]
        pages = [control(fake, "GET", path, b"") for path in ("/_control", "/_control/log")]
        return "".join(page.content.decode() for page in pages)


def chain(error: BaseException | None) -> Iterator[str]:
    """Yield the texts of an error and its causes, with the local variables of their frames."""
    while error:
        yield repr(error) + str(error) + repr(vars(error))
        trace = error.__traceback__
        while trace:
            if "/token_broker/" in trace.tb_frame.f_code.co_filename:
                yield repr({k: v for k, v in trace.tb_frame.f_locals.items() if k != "event"})
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
