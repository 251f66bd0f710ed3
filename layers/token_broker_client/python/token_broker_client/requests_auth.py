"""Signs requests of `requests` with the live token, and replaces a token that was refused."""

from typing import TYPE_CHECKING, Any, cast
from weakref import ref

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.utils import rewind_body

from token_broker_client import origins, refusals
from token_broker_client.refusals import Refusal

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
        signed = SignedRequest(self._access, answer, request)
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

    def __init__(self, access: "TokenSource", answer: "Answer", request: PreparedRequest) -> None:
        self._access = access
        self._request = ref(request)
        self._forbidden = refusals.SHARED
        self._answer = answer
        self._is_replaced = False

    def __call__(self, response: Response, **sending: Any) -> Response:
        """Return *response*, or that of a second attempt. Called for each hop of a redirect."""
        request = response.request
        if request is self._request():  # not a redirect: a prepared request may be sent again
            self._is_replaced = False
        if self._is_replaced or not self._is_refusal(response):
            return response
        return self._retried(request, response, sending)

    def _is_refusal(self, response: Response) -> bool:
        """Say whether *response* refuses the token. Its body is read only if it may."""
        return refusals.may_refuse(response, self._answer) and refusals.is_refusal(
            self._access.flow, response.status_code, response.content
        )

    def _retried(
        self, request: PreparedRequest, refused: Response, sending: dict[str, Any]
    ) -> Response:
        """Replace the token, and send *request* again if that is possible."""
        self._is_replaced = True
        refusal = Refusal.of(refused, self._answer)
        if self._forbidden.has(refusal):
            return refused
        answer = self._access.replacement(self._answer)
        if answer is None:
            self._forbidden.add(refusal)
            return refused
        if not origins.is_home(request.url or "", answer.base_url) or not rewound(request):
            return refused
        self._answer = answer
        response = self._resent(request, refused, sending)
        if self._is_refusal(response):
            self._forbidden.add(Refusal.of(response, answer))
        return response

    def _resent(
        self, request: PreparedRequest, refused: Response, sending: dict[str, Any]
    ) -> Response:
        # The next hop of a redirect is its copy.
        request.headers.update(self._answer.headers)
        again = GuardedRequest.of(request, self._answer).copy()
        response: Response = refused.connection.send(again, **sending)
        response.history.append(refused)
        return response


def rewound(request: PreparedRequest) -> bool:
    """Prepare the body to be sent again; say whether that is possible."""
    if request.body is None or isinstance(request.body, bytes | bytearray | str):
        return True
    try:
        rewind_body(request)
    except Exception:  # noqa: BLE001 (a caller's file may raise anything)
        return False
    return True
