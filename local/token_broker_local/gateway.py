"""The gateway: API Gateway and Lambda's Invoke, without HTTP around them."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from token_broker_local import invocations, log_capture, messages, routes, signatures
from token_broker_local.dashboard import Dashboard, is_page_path
from token_broker_local.functions import Function, Report, ignore
from token_broker_local.messages import GatewayError, HttpRequest, HttpResponse
from token_broker_local.proxy_events import Ids, proxy_event
from token_broker_local.proxy_responses import answered, refused

TARGET = re.compile(r"/[!-\"$-~]*")
"""The characters of a path. Some parsers end a path at a `#`, others do not."""

INTEGRATION_TIMEOUT = 29.0
"""Seconds that API Gateway waits for a function, even if the function may take longer."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Responds to each request, with the *functions* by flow."""

    functions: Mapping[str, Function]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    patience: float = INTEGRATION_TIMEOUT
    report: Report = ignore
    """Called with one line for each request that the gateway itself refuses."""
    dashboard: Dashboard | None = None

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer *request* as AWS would."""
        ids = Ids()
        try:
            if not TARGET.fullmatch(request.path) or not TARGET.fullmatch(f"/{request.query}"):
                raise messages.bad_request()
            if self.dashboard and is_page_path(request.path):
                return self.dashboard.answer(request)
            if name := invocations.called(request):
                signatures.verify(request, "lambda", self.clock())
                return invocations.invoke(request, name, self.functions, ids)
            return self.integrated(request, ids)
        except GatewayError as refusal:
            line = f"{request.method} {request.path} {refusal.status} | {refusal.message}"
            self.report(log_capture.printable(line))
            return refused(refusal, ids)

    def integrated(self, request: HttpRequest, ids: Ids) -> HttpResponse:
        """Find the route, check the caller, and invoke the function."""
        route, parameters = routes.find(request.method, request.path)
        signatures.verify(request, "execute-api", self.clock())
        event = proxy_event(request, route, parameters, ids, self.clock())
        payload = json.dumps(event).encode()
        if len(payload) > invocations.PAYLOAD_LIMIT:
            raise messages.too_long()
        try:
            outcome = self.functions[route.flow].invoke(payload, self.patience)
        except TimeoutError:
            raise messages.timed_out() from None
        return answered(outcome, ids)
