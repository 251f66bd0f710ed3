"""Signs requests of `httpx`, sync and async, with the live token, as `requests_auth` does."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import httpx

from token_broker_client import origins, refusals
from token_broker_client.httpx_guard import Guard
from token_broker_client.refusals import Refusal

if TYPE_CHECKING:
    from token_broker_client.answers import TokenSource


class Call(NamedTuple):
    """A step that waits: a function, and the one that does the same for a task."""

    sync: Callable[[], Any]
    for_task: Callable[[], Awaitable[Any]]


Step: TypeAlias = httpx.Request | Call
"""The next step: send a request, or make a call. The step's result is sent back."""

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
            done = step.sync() if isinstance(step, Call) else (yield step)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the steps without blocking other tasks."""
        guard = Guard(request)
        request.extensions = {**request.extensions, "trace": guard.trace_async}
        steps = self._steps(request, guard)
        done: Any = None
        while (step := advanced(steps, done)) is not None:
            done = await step.for_task() if isinstance(step, Call) else (yield step)

    def _steps(self, request: httpx.Request, guard: Guard) -> Steps:
        """Yield the steps of one request. This does no I/O."""
        access = self._access
        guard.sign(request, (yield Call(access.answer, access.answer_async)))
        response = yield request
        if not (yield from self._is_refusal(response, guard)):
            return
        refusal = Refusal.of(response, guard.answer)
        if self._forbidden.has(refusal):
            return
        answer = yield Call(
            partial(access.replacement, guard.answer),
            partial(access.replacement_async, guard.answer),
        )
        # After a redirect, this is its last hop: the vendor has accepted the request before it.
        refused = response.request
        if answer is None:
            self._forbidden.add(refusal)
        elif origins.is_home(str(refused.url), answer.base_url) and guard.body.rewound(refused):
            guard.sign(refused, answer)
            response = yield refused
            if (yield from self._is_refusal(response, guard)):
                self._forbidden.add(Refusal.of(response, answer))

    def _is_refusal(self, response: httpx.Response, guard: Guard) -> Generator[Step, Any, bool]:
        """Return whether *response* refuses the token. Its body is read only if it may."""
        if not refusals.may_refuse(response, guard.answer):
            return False
        yield Call(response.read, response.aread)
        return refusals.is_refusal(self._access.flow, response.status_code, response.content)


def advanced(steps: Steps, done: Any) -> Step | None:
    """Send the result of the last step to *steps*, and return the next step; None at the end."""
    try:
        return steps.send(done)
    except StopIteration:
        return None
