"""What the local page can do: an operator's calls, signed, and the fakes' faults and modes.

A call goes to the gateway by HTTP, as every caller's does; nothing passes its checks by. The
browser is told how the call went, by members that are named here: a token is none of them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from token_broker import events
from token_broker_descriptors import every
from token_broker_fakes.control import CONTROL
from token_broker_fakes.faults import KINDS
from token_broker_local.addresses import FLOWS, REGION
from token_broker_local.messages import GatewayError
from token_broker_local.routes import ROUTES
from token_broker_local.signatures import CREDENTIALS

JSON = "application/json"
PATIENCE = 30.0
"""Seconds for an answer: the gateway itself waits 29 for a function."""

OFFERED: Mapping[str, Mapping[str, Any]] = {
    "token": {},
    "force": {"force": True},
    "check": {},
    "hold": {},
    "lift": {},
    "forget": {},
}
"""What a connection can be told, with the body; `force` is a call for a token as well.

A hold needs the reason of the operator; without one, the API refuses it.
"""

TOLD = (
    *("status", "code", "detail", "retry_after", "ok", "milliseconds", "source", "stale"),
    *("generation", "fingerprint", "expires_at", "forgotten", "complete", "held"),
)
"""Members of an answer that the browser gets."""

SHOWN = ("vendor", "modes", "faults", "steps", "clock_offset")
"""Members of a fake's description that the browser gets."""


@dataclass(frozen=True, slots=True)
class Controls:
    """Calls the API at *api*, and switches the fakes at the URLs that *fakes* has by flow."""

    api: str
    fakes: Mapping[str, str]
    credentials: Credentials = field(default=CREDENTIALS, repr=False)

    def offered(self) -> Mapping[str, list[str]]:
        """Return the actions on a connection of each flow, by the routes."""
        return {flow: [name for name in OFFERED if route(flow, name)] for flow in FLOWS}

    def vendors(self) -> Iterator[Mapping[str, Any]]:
        """Yield how each fake is switched, and how it could be; an error where it is not there."""
        for flow, url in self.fakes.items():
            try:
                _, said = sent("GET", f"{url}{CONTROL}")
            except GatewayError as refusal:
                yield {"flow": flow, "error": refusal.message}
            else:
                yield {"flow": flow, "kinds": KINDS, **picked(said, SHOWN)}

    def call(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call the API as *order* says: `flow`, `connection`, `action`, of a hold the `reason`.

        Tell how it went.
        """
        flow, connection, action = (order.get(name) for name in ("flow", "connection", "action"))
        found = route(flow, action)
        if found is None or not events.CONNECTION.fullmatch(str(connection)):
            raise wrong("A call names a flow, a connection, and an action that is offered")
        method, resource = found
        url = self.api + resource.replace("{connection}", str(connection))
        given = picked(order, ("reason",)) if action == "hold" else {}
        body = json.dumps({**body_of(str(flow), str(action)), **given}).encode()
        request = AWSRequest(method, url, {"Content-Type": JSON}, body)
        SigV4Auth(self.credentials, "execute-api", REGION).add_auth(request)
        status, said = sent(method, url, dict(request.headers.items()), body)
        return picked(said, TOLD) | {"status": status}

    def switch(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """Switch the fake of a `flow` by what else *order* has; from its defaults if `afresh`."""
        url, wanted = self.fakes.get(str(order.get("flow"))), order.get("switch")
        if url is None or not isinstance(wanted, dict):
            raise wrong("A switch names a flow, and has an object with what to switch")
        method = "PUT" if order.get("afresh") is True else "PATCH"
        status, said = sent(
            method, f"{url}{CONTROL}", {"Content-Type": JSON}, json.dumps(wanted).encode()
        )
        return picked(said, (*SHOWN, "error")) | {"status": status}


def route(flow: object, name: object) -> tuple[str, str] | None:
    """Return method and resource of the action *name*; None if *flow* does not have it."""
    if not isinstance(name, str) or name not in OFFERED:
        return None
    action = "token" if name == "force" else name
    rests = [(method, rest) for (method, rest), each in events.ROUTES.items() if each == action]
    wanted = [(method, f"/v1/{flow}/{{connection}}/{rest}") for method, rest in rests]
    return next((found for one in ROUTES if (found := (one.method, one.resource)) in wanted), None)


def body_of(flow: str, name: str) -> Mapping[str, Any]:
    """Return the body of a call. For a token, it is that of the demo."""
    demo = every()[flow].demo if name in ("token", "force", "check") else {}
    return {**demo, **OFFERED[name]}


def picked(said: object, names: Iterable[str]) -> dict[str, Any]:
    """Return the members of *said* that *names* names."""
    return {name: said[name] for name in names if name in said} if isinstance(said, dict) else {}


def sent(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> tuple[int, object]:
    """Send a request to a port of this machine; return status and document, None if it is none.

    Raises the `GatewayError` to give where there is no answer.
    """
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc, timeout=PATIENCE)
    try:
        connection.request(method, place.path, body, dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
    except (OSError, HTTPException):
        raise GatewayError(502, "BadGatewayException", "No answer from there") from None
    finally:
        connection.close()
    try:
        return response.status, json.loads(content)
    except (ValueError, RecursionError):
        return response.status, None


def wrong(words: str) -> GatewayError:
    """Refuse an order of the page's that makes no sense."""
    return GatewayError(400, "BadRequestException", words)
