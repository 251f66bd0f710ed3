"""Signs requests of `httpx`, sync and async, with the live token, as `requests_auth` does."""

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import httpx

from token_broker_client import origins, refusals
from token_broker_client.httpx_guard import Guard
from token_broker_client.refusals import Refusal

if TYPE_CHECKING:
    from token_broker_client.answers import Answer, TokenSource


class Wanted(NamedTuple):
    """The step that gets a token. If one was *refused*, it must be another one."""

    refused: "Answer | None" = None


Step: TypeAlias = Wanted | httpx.Request | httpx.Response
"""The next step: get a token, send a request, or read a response."""

Steps: TypeAlias = Generator[Step, Any, None]


class HttpxBrokerAuth(httpx.Auth):
    """``auth=`` of a client or of one request. Threads and tasks may share it.

    Raises `WrongDestination`, before anything is sent, if the request goes to another host than the
    vendor's, and another `BrokerError` if there is no token. If redirects are followed, the `trace`
    extension removes the token. So a custom transport must support that extension, as httpx's do.
    """

    def __init__(self, access: "TokenSource") -> None:
        self._access = access
        self._forbidden = refusals.SHARED

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Do the steps."""
        guard = Guard(request)
        request.extensions = {**request.extensions, "trace": guard.trace}
        steps = self._steps(request, guard)
        done: Any = None
        while (step := advanced(steps, done)) is not None:
            if isinstance(step, httpx.Request):
                done = yield step
            elif isinstance(step, httpx.Response):
                done = step.read()
            elif step.refused:
                done = self._access.replacement(step.refused)
            else:
                done = self._access.answer()

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the steps without blocking other tasks."""
        guard = Guard(request)
        request.extensions = {**request.extensions, "trace": guard.trace_async}
        steps = self._steps(request, guard)
        done: Any = None
        while (step := advanced(steps, done)) is not None:
            if isinstance(step, httpx.Request):
                done = yield step
            elif isinstance(step, httpx.Response):
                done = await step.aread()
            elif step.refused:
                done = await self._access.replacement_async(step.refused)
            else:
                done = await self._access.answer_async()

    def _steps(self, request: httpx.Request, guard: Guard) -> Steps:
        """Yield the steps of one request. This does no I/O."""
        guard.sign(request, (yield Wanted()))
        response = yield request
        if not (yield from self._is_refusal(response, guard)):
            return
        refusal = Refusal.of(response, guard.answer)
        if self._forbidden.has(refusal):
            return
        answer = yield Wanted(guard.answer)
        # After a redirect, this is its last hop: the vendor has accepted the request before it.
        refused = response.request
        if answer is None:
            self._forbidden.add(refusal)
        elif origins.is_home(str(refused.url), answer.base_url) and guard.rewound():
            guard.sign(refused, answer)
            response = yield refused
            if (yield from self._is_refusal(response, guard)):
                self._forbidden.add(Refusal.of(response, answer))

    def _is_refusal(self, response: httpx.Response, guard: Guard) -> Generator[Step, Any, bool]:
        """Return whether *response* refuses the token. Its body is read only if it may."""
        if not refusals.may_refuse(response, guard.answer):
            return False
        yield response
        return refusals.is_refusal(self._access.flow, response.status_code, response.content)


def advanced(steps: Steps, done: Any) -> Step | None:
    """Send the result of the last step to *steps*, and return the next step; None at the end."""
    try:
        return steps.send(done)
    except StopIteration:
        return None
