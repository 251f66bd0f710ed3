"""Signs requests of `requests` with the live token, and replaces a token that was refused."""

from typing import TYPE_CHECKING, Any, cast
from weakref import ref

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.utils import rewind_body

from token_broker_client import origins, refusals
from token_broker_client.refusals import Call

if TYPE_CHECKING:
    from token_broker_client.answers import Answer, TokenSource


class BrokerAuth(AuthBase):
    """``session.auth``, or ``auth=`` of one request. Threads may share it.

    Raises `WrongDestination`, before anything is sent, if the request goes to another host than the
    vendor's, and another `BrokerError` if there is no token.
    """

    def __init__(self, access: "TokenSource") -> None:
        self._access = access

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign *request*, and register the hook that handles a refusal."""
        answer = self._access.answer()
        origins.check(request.url or "", answer.base_url)
        request.headers.update(answer.headers)
        guarded = GuardedRequest.of(request, answer)
        signed = SignedRequest(answer, request)
        guarded.register_hook("response", signed)  # type: ignore[no-untyped-call]  # in the stubs
        return guarded


class GuardedRequest(PreparedRequest):
    """A request that loses the token of *answer* when its URL becomes another host's.

    requests follows a redirect by a copy whose URL it replaces, and drops only `Authorization`.
    """

    answer: "Answer"

    @classmethod
    def of(cls, request: PreparedRequest, answer: "Answer") -> "GuardedRequest":
        """Make *request* itself such a request, and return it."""
        request.__class__ = cls
        guarded = cast("GuardedRequest", request)
        guarded.answer = answer
        return guarded

    def copy(self) -> "GuardedRequest":
        """Return a copy that is guarded, too."""
        return self.of(super().copy(), self.answer)

    def prepare_auth(self, auth: Any, url: str = "") -> None:
        """Keep the token at home: after a redirect, requests takes what ~/.netrc has instead."""
        if not origins.is_home(self.url or "", self.answer.base_url):
            super().prepare_auth(auth, url)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute."""
        super().__setattr__(name, value)
        if name == "url" and not origins.is_home(value or "", self.answer.base_url):
            for ours in self.answer.headers:
                self.headers.pop(ours, None)


class SignedRequest:
    """The response hook of one request: it replaces the token at most once.

    Once each time that the request is sent: a prepared one may be sent again.
    """

    def __init__(self, answer: "Answer", request: PreparedRequest) -> None:
        self._request = ref(request)
        self._answer = answer
        self._is_replaced = False

    def __call__(self, response: Response, **sending: Any) -> Response:
        """Return *response*, or that of a second attempt. Called for each hop of a redirect."""
        if response.request is self._request():  # not a redirect
            self._is_replaced = False
        if self._is_replaced:
            return response
        steps, done = refusals.steps(response, self._answer, self._signed_again), None
        while step := refusals.advanced(steps, done):
            self._is_replaced = True
            if isinstance(step, Call):
                done = step.sync()
            else:
                refused = response
                done = response = refused.connection.send(step, **sending)
                response.history.append(refused)
        return response

    def _signed_again(self, refused: PreparedRequest, answer: "Answer") -> PreparedRequest | None:
        if refused.body is not None and not isinstance(refused.body, bytes | bytearray | str):
            try:
                rewind_body(refused)
            except Exception:  # noqa: BLE001 (a caller's file may raise anything)
                return None
        self._answer = answer
        refused.headers.update(answer.headers)  # the next hop of a redirect is its copy
        return GuardedRequest.of(refused, answer).copy()
