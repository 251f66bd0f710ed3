"""Signs requests of `httpx`, sync and async, with the token that lives, as `requests_auth` does."""

from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.to_thread
import httpx

from token_broker_client import origins, refusals
from token_broker_client.httpx_guard import Guard
from token_broker_client.refusals import Stubborn

if TYPE_CHECKING:
    from token_broker_client.access import Access
    from token_broker_client.answers import Answer


@dataclass(frozen=True, slots=True)
class Ask:
    """Something to ask the broker, which may take a while, unless the answer is *known*."""

    question: Callable[[], "Answer | None"]
    known: Callable[[], "Answer | None"] = lambda: None


Step: TypeAlias = Ask | httpx.Request | httpx.Response
"""What has to be done next: ask, send a request, or read a response."""

Talk: TypeAlias = Generator[Step, Any, None]


class HttpxBrokerAuth(httpx.Auth):
    """``auth=`` of a client or of one request; threads and tasks may share it.

    Raises `WrongDestination` before anything is sent where the request goes elsewhere than to the
    vendor, and any other `BrokerError` where there is no token. When redirects are followed, the
    token is taken off on the wire: a transport of one's own has to honour the `trace` extension,
    as those of httpx do.
    """

    def __init__(self, access: "Access") -> None:
        self._access = access
        self._stubborn = Stubborn()

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Do each step where it arises."""
        guard = Guard(request)
        request.extensions = {**request.extensions, "trace": guard.trace}
        talk = self._talk(request, guard)
        done: Any = None
        while (step := advanced(talk, done)) is not None:
            if isinstance(step, httpx.Request):
                done = yield step
            else:
                done = step.question() if isinstance(step, Ask) else step.read()

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do each step without holding up other tasks: what is asked is asked in a thread."""
        guard = Guard(request)
        request.extensions = {**request.extensions, "trace": guard.trace_async}
        talk = self._talk(request, guard)
        done: Any = None
        while (step := advanced(talk, done)) is not None:
            if isinstance(step, httpx.Request):
                done = yield step
            elif isinstance(step, Ask):
                done = step.known() or await anyio.to_thread.run_sync(step.question)
            else:
                done = await step.aread()

    def _talk(self, request: httpx.Request, guard: Guard) -> Talk:
        """Say what has to be done, step by step; nothing is done here."""
        guard.sign((yield Ask(self._access.answer, self._access.kept)))
        response = yield request
        if not (yield from self._looked_at(response, guard)):
            return
        place = refusals.place(request.method, str(request.url))
        if place in self._stubborn:
            return
        answer = yield Ask(lambda: self._access.replacement(guard.answer))
        if answer is None:
            self._stubborn.add(place)
        elif origins.is_home(str(request.url), answer.base_url) and is_resendable(request):
            guard.sign(answer)
            response = yield request
            if (yield from self._looked_at(response, guard)):
                self._stubborn.add(place)

    def _looked_at(self, response: httpx.Response, guard: Guard) -> Generator[Step, Any, bool]:
        """Return whether *response* refuses the token; only what may do that is read."""
        status = response.status_code
        if not refusals.may_be_refusal(status) or not guard.is_signed(response.request):
            return False
        yield response
        return refusals.is_refusal(self._access.key.flow, status, response.content)


def advanced(talk: Talk, done: Any) -> Step | None:
    """Tell *talk* what was *done*, and return the next step, if there is one."""
    try:
        return talk.send(done)
    except StopIteration:
        return None


def is_resendable(request: httpx.Request) -> bool:
    """Say whether the body is all in memory; a stream or a file was read, and is not read again."""
    try:
        request.content  # noqa: B018 (that it can be had is the question)
    except httpx.RequestNotRead:
        return False
    return True
