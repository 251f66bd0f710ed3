"""`/_dashboard`: the figures and the states of this machine's system, on one page.

It needs no signature, so it is for browsers on this machine only: the gateway listens on loopback,
and a page of another site that has its name point here is refused by its `Host`. What changes
something is a POST of JSON whose `Origin` is this page's own, so no other site's page can send it;
the secret that signs the call that follows stays in this process.
https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from token_broker_local.addresses import FLOWS
from token_broker_local.controls import JSON, Controls, wrong
from token_broker_local.messages import GatewayError, HttpRequest, HttpResponse
from token_broker_local.metrics import POINTS, SECONDS, Metrics
from token_broker_local.news import News
from token_broker_operations.dashboard import CHARTS

PATH = "/_dashboard"

FILES = {
    PATH: ("dashboard.html", "text/html; charset=utf-8"),
    f"{PATH}/style.css": ("dashboard.css", "text/css; charset=utf-8"),
    f"{PATH}/controls.js": ("controls.js", "text/javascript; charset=utf-8"),
    f"{PATH}/script.js": ("dashboard.js", "text/javascript; charset=utf-8"),
}

CALL, SWITCH = f"{PATH}/call", f"{PATH}/switch"

LONGEST_ORDER = 65_536
"""Bytes of what the page posts."""

LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""Host names by which a browser on this machine may call the page, with any port."""

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

CURRENT = 0.8
"""Seconds for which the states are current, however many look."""

States: TypeAlias = Callable[[], Iterable[Mapping[str, Any]]]


@dataclass(slots=True)
class Dashboard:
    """What answers for the page, given the *figures*, and what tells the connections' *states*."""

    figures: Metrics
    states: States
    clock: Callable[[], float] = time.time
    controls: Controls | None = None
    """The page's controls. Without them it is read-only."""
    news: News = field(default_factory=News)
    """The functions' events."""
    _known: tuple[float, list[Mapping[str, Any]]] = field(default=(0.0, []), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def hear(self, heard: str) -> None:
        """Read the output of a function in one call: its metrics and its events."""
        self.figures.hear(heard)
        self.news.hear(heard)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer *request*, or refuse it."""
        if not is_local(request):
            raise GatewayError(403, "ForbiddenException", "The dashboard is for this machine only")
        if self.controls and request.path in (CALL, SWITCH):
            return self.done(request, self.controls)
        if request.method != "GET":
            raise GatewayError(405, "MethodNotAllowedException", "Method Not Allowed")
        if request.path == f"{PATH}/figures":
            body = json.dumps(self.told(chosen(request)), allow_nan=False).encode()
            return page(body, JSON)
        if request.path not in FILES:
            raise GatewayError(404, "NotFoundException", "Not Found")
        name, kind = FILES[request.path]
        return page(resources.files(__package__).joinpath(name).read_bytes(), kind)

    def done(self, request: HttpRequest, controls: Controls) -> HttpResponse:
        """Carry out an action of the page and return its result. Then the states are read again."""
        if request.method != "POST":
            raise GatewayError(405, "MethodNotAllowedException", "Method Not Allowed")
        if not is_own(request):
            raise GatewayError(403, "ForbiddenException", "Only the dashboard's page may ask this")
        do = controls.call if request.path == CALL else controls.switch
        try:
            said = do(order(request))
        finally:
            with self._lock:
                self._known = (0.0, [])
        return page(json.dumps(said).encode(), JSON)

    def told(self, flow: str | None) -> Mapping[str, Any]:
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
                    "series": self.figures.told(chart, flow),
                }
                for chart in CHARTS
            ],
            "connections": [one for one in self.known() if flow in (None, one["flow"])],
            "news": self.news.told(flow),
            "offered": self.controls.offered() if self.controls else {},
            "vendors": [*self.controls.vendors()] if self.controls else [],
        }

    def known(self) -> list[Mapping[str, Any]]:
        """Return the states. They are read at most once a second."""
        with self._lock:
            since, known = self._known
            if not since <= self.clock() < since + CURRENT:
                known = [*self.states()]
                self._known = self.clock(), known
            return known


def is_ours(path: str) -> bool:
    """Say whether *path* is the dashboard's."""
    return path == PATH or path.startswith(f"{PATH}/")


def is_local(request: HttpRequest) -> bool:
    """Say whether *request* names this machine, once and by a name that is no other's."""
    hosts = [*request.values("Host")]
    return len(hosts) == 1 and LOOPBACK.fullmatch(hosts[0]) is not None


def is_own(request: HttpRequest) -> bool:
    """Say whether a script of the page itself sent *request*, which `is_local`.

    No other site's page can set this content type without our consent, nor another `Origin`.
    """
    [host] = request.values("Host")
    sites = {*request.values("Sec-Fetch-Site")}
    kinds = [kind.partition(";")[0].strip().lower() for kind in request.values("Content-Type")]
    origins = [origin.lower() for origin in request.values("Origin")]
    return origins == [f"http://{host}".lower()] and kinds == [JSON] and sites <= {"same-origin"}


def order(request: HttpRequest) -> Mapping[str, Any]:
    """Return the object that the page posts."""
    try:
        value = json.loads(request.body) if len(request.body) <= LONGEST_ORDER else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise wrong(f"The body is not a JSON object of at most {LONGEST_ORDER} bytes")
    return value


def chosen(request: HttpRequest) -> str | None:
    """Return the requested flow; None for all."""
    asked = parse_qs(request.query).get("flow", [""])[0]
    return asked if asked in FLOWS else None


def page(body: bytes, kind: str) -> HttpResponse:
    """Return *body* for a browser that is to load nothing from elsewhere."""
    return HttpResponse(200, [("Content-Type", kind), *HEADERS], body)
