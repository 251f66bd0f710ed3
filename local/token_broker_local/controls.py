"""The controls of the local dashboard: signed calls of the API, and switches of the fakes.

A call is sent to the gateway over HTTP, as by any caller, and passes the same checks. The browser
gets only the listed members of a response, which have no token.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from token_broker import events
from token_broker_descriptors import every
from token_broker_fakes.control import CONTROL
from token_broker_fakes.faults import KINDS
from token_broker_local.addresses import FLOWS, REGION
from token_broker_local.messages import GatewayError
from token_broker_local.routes import ROUTES, Route
from token_broker_local.signatures import CREDENTIALS

JSON = "application/json"
TIMEOUT_SECONDS = 30.0
"""Limit of a call: the gateway itself waits 29 seconds for a function."""

ACTIONS: Mapping[str, Mapping[str, Any]] = {
    "token": {},
    "force": {"force": True},
    "check": {},
    "hold": {},
    "lift": {},
    "forget": {},
}
"""The actions on a connection, each with its body; `force` is a call for a token, too.

A hold needs the reason of the operator; without one, the API refuses it.
"""

RESPONSE_MEMBERS = (
    *("status", "code", "detail", "retry_after", "ok", "milliseconds", "source", "stale"),
    *("generation", "fingerprint", "expires_at", "forgotten", "complete", "held"),
)
"""Members of a response that the browser gets."""

STATE_MEMBERS = ("vendor", "modes", "faults", "steps", "clock_offset")
"""Members of a fake's description that the browser gets."""


@dataclass(frozen=True, slots=True)
class Controls:
    """Calls the API at *api*, and switches the fakes at the URLs that *fakes* has by flow."""

    api: str
    fakes: Mapping[str, str]

    def actions(self) -> Mapping[str, list[str]]:
        """Return the actions on a connection of each flow, by the routes."""
        return {flow: [name for name in ACTIONS if route(flow, name)] for flow in FLOWS}

    def states(self) -> Iterator[Mapping[str, Any]]:
        """Yield each fake's settings and their choices, or the error of an unreachable one."""
        for flow, url in self.fakes.items():
            try:
                _, document = send("GET", f"{url}{CONTROL}")
            except GatewayError as refusal:
                yield {"flow": flow, "error": refusal.message}
            else:
                yield {"flow": flow, "kinds": KINDS, **selected(document, STATE_MEMBERS)}

    def call(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call the API with `flow`, `connection`, `action` (and `reason`) of *command*.

        Return the listed members of the response.
        """
        flow, connection, action = (command.get(name) for name in ("flow", "connection", "action"))
        found = route(flow, action)
        if found is None or not events.CONNECTION.fullmatch(str(connection)):
            raise invalid("A call needs a flow, a connection, and an action of the flow")
        url = self.api + found.resource.replace("{connection}", str(connection))
        reason = selected(command, ("reason",)) if action == "hold" else {}
        body = json.dumps({**body_of(str(flow), str(action)), **reason}).encode()
        request = AWSRequest(found.method, url, {"Content-Type": JSON}, body)
        SigV4Auth(CREDENTIALS, "execute-api", REGION).add_auth(request)
        status, document = send(found.method, url, dict(request.headers.items()), body)
        return selected(document, RESPONSE_MEMBERS) | {"status": status}

    def switch(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        """Set the `switch` of the fake of `flow`; with `reset`, reset its other switches."""
        url, settings = self.fakes.get(str(command.get("flow"))), command.get("switch")
        if url is None or not isinstance(settings, dict):
            raise invalid("A switch needs a flow and an object with the settings")
        method = "PUT" if command.get("reset") is True else "PATCH"
        status, document = send(
            method, f"{url}{CONTROL}", {"Content-Type": JSON}, json.dumps(settings).encode()
        )
        return selected(document, (*STATE_MEMBERS, "error")) | {"status": status}


def route(flow: object, name: object) -> Route | None:
    """Return the route of the action *name*; None if *flow* does not have it."""
    if not isinstance(name, str) or name not in ACTIONS:
        return None
    wanted = (flow, "token" if name == "force" else name)
    return next((one for one in ROUTES if (one.flow, one.action) == wanted), None)


def body_of(flow: str, name: str) -> Mapping[str, Any]:
    """Return the body of a call. For a token, it is that of the demo."""
    demo = every()[flow].demo if name in ("token", "force", "check") else {}
    return {**demo, **ACTIONS[name]}


def selected(document: object, names: Iterable[str]) -> dict[str, Any]:
    """Return the members *names* of *document*, as far as it has them."""
    members = document if isinstance(document, dict) else {}
    return {name: members[name] for name in names if name in members}


def send(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> tuple[int, object]:
    """Send a request to this machine; return status and JSON document, None if it has none.

    Raises a `GatewayError`, a 502, without a response.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, parts.path, body, dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
    except (OSError, HTTPException):
        raise GatewayError(502, "BadGatewayException", "No response") from None
    finally:
        connection.close()
    try:
        return response.status, json.loads(content)
    except (ValueError, RecursionError):
        return response.status, None


def invalid(message: str) -> GatewayError:
    """Return the error of an invalid command of the page."""
    return GatewayError(400, "BadRequestException", message)
