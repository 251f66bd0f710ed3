"""`/_dashboard`: metrics, states of connections and events of the local system, on one page.

It needs no signature, so it is for browsers on this machine only: the gateway listens on loopback,
and the `Host` check refuses DNS rebinding. A request that changes something is a POST of JSON
with this page's `Origin`, so no page of another site can send it. The secret that signs the call
of the API stays in this process.
https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from token_broker_local.addresses import FLOWS
from token_broker_local.controls import JSON, Controls, invalid
from token_broker_local.event_log import EventLog
from token_broker_local.messages import GatewayError, HttpRequest, HttpResponse
from token_broker_local.metrics import POINTS, SECONDS, Metrics
from token_broker_operations.dashboard import CHARTS

PATH = "/_dashboard"

FILES = {
    PATH: ("dashboard.html", "text/html; charset=utf-8"),
    f"{PATH}/style.css": ("dashboard.css", "text/css; charset=utf-8"),
    f"{PATH}/controls.js": ("controls.js", "text/javascript; charset=utf-8"),
    f"{PATH}/script.js": ("dashboard.js", "text/javascript; charset=utf-8"),
}

CALL, SWITCH = f"{PATH}/call", f"{PATH}/switch"

MAX_COMMAND_BYTES = 65_536
"""Limit of what the page may post."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)

CACHE_SECONDS = 0.8
"""Lifetime of the cached states."""

States: TypeAlias = Callable[[], Iterable[Mapping[str, Any]]]


@dataclass(slots=True)
class Dashboard:
    """Responds to requests for the page, with *metrics* and the connections' *states*."""

    metrics: Metrics
    states: States
    clock: Callable[[], float] = time.time
    controls: Controls | None = None
    """The page's controls. Without them it is read-only."""
    events: EventLog = field(default_factory=EventLog)
    """The functions' latest events."""
    _states_read: tuple[float, list[Mapping[str, Any]]] = field(default=(0.0, []), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def record(self, output: str) -> None:
        """Read the output of a function in one call: its metrics and its events."""
        self.metrics.record(output)
        self.events.record(output)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer *request*, or refuse it."""
        if not request.is_local:
            raise GatewayError(403, "ForbiddenException", "The dashboard is for this machine only")
        if self.controls and request.path in (CALL, SWITCH):
            return self.perform(request, self.controls)
        if request.method != "GET":
            raise GatewayError(405, "MethodNotAllowedException", "Method Not Allowed")
        if request.path == f"{PATH}/data":
            body = json.dumps(self.content(chosen(request)), allow_nan=False).encode()
            return page(body, JSON)
        if request.path not in FILES:
            raise GatewayError(404, "NotFoundException", "Not Found")
        name, kind = FILES[request.path]
        return page(resources.files(__package__).joinpath(name).read_bytes(), kind)

    def perform(self, request: HttpRequest, controls: Controls) -> HttpResponse:
        """Perform an action of the page and return its result. It invalidates the cached states."""
        if request.method != "POST":
            raise GatewayError(405, "MethodNotAllowedException", "Method Not Allowed")
        if not is_same_origin(request):
            raise GatewayError(403, "ForbiddenException", "Only the dashboard's page may send this")
        action = controls.call if request.path == CALL else controls.switch
        try:
            result = action(command_of(request))
        finally:
            with self._lock:
                self._states_read = (0.0, [])
        return page(json.dumps(result).encode(), JSON)

    def content(self, flow: str | None) -> Mapping[str, Any]:
        """Return the page's content, for *flow* or for all flows."""
        return {
            "now": self.clock(),
            "seconds": SECONDS,
            "points": POINTS,
            "flows": FLOWS,
            "charts": [
                {
                    "title": chart.title,
                    "metric": chart.metric,
                    "statistics": chart.statistics,
                    "series": self.metrics.series_of(chart, flow),
                }
                for chart in CHARTS
            ],
            "connections": [one for one in self.current_states() if flow in (None, one["flow"])],
            "events": self.events.latest(flow),
            "actions": self.controls.actions() if self.controls else {},
            "fakes": [*self.controls.states()] if self.controls else [],
        }

    def current_states(self) -> list[Mapping[str, Any]]:
        """Return the states. They are read at most once a second."""
        with self._lock:
            since, states = self._states_read
            if not since <= self.clock() < since + CACHE_SECONDS:
                states = [*self.states()]
                self._states_read = self.clock(), states
            return states


def is_page_path(path: str) -> bool:
    """Say whether *path* is the dashboard's."""
    return path == PATH or path.startswith(f"{PATH}/")


def is_same_origin(request: HttpRequest) -> bool:
    """Say whether a script of the page itself sent *request*, which is local.

    No other site's page can set this content type without our consent, nor another `Origin`.
    """
    [host] = request.values("Host")
    sites = {*request.values("Sec-Fetch-Site")}
    kinds = [kind.partition(";")[0].strip().lower() for kind in request.values("Content-Type")]
    origins = [origin.lower() for origin in request.values("Origin")]
    return origins == [f"http://{host}".lower()] and kinds == [JSON] and sites <= {"same-origin"}


def command_of(request: HttpRequest) -> Mapping[str, Any]:
    """Return the object that the page posts."""
    try:
        value = json.loads(request.body) if len(request.body) <= MAX_COMMAND_BYTES else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise invalid(f"The body is not a JSON object of at most {MAX_COMMAND_BYTES} bytes")
    return value


def chosen(request: HttpRequest) -> str | None:
    """Return the requested flow; None for all."""
    flow = parse_qs(request.query).get("flow", [""])[0]
    return flow if flow in FLOWS else None


def page(body: bytes, kind: str) -> HttpResponse:
    """Return *body* with headers that forbid to load anything from other hosts."""
    return HttpResponse(200, [("Content-Type", kind), *HEADERS], body)
