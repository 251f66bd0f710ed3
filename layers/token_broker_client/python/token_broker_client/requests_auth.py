"""Signs requests of `requests` with the live token, and replaces a token that was refused."""

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin
from weakref import ref

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.sessions import SessionRedirectMixin
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
        signed = SignedRequest(self._access, answer, request)
        request.register_hook("response", signed)  # type: ignore[no-untyped-call]  # in the stubs
        return request


class SignedRequest:
    """The response hook of one request: it replaces the token at most once, and never leaks it.

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
            vars(request).pop("copy", None)
        if not self._is_replaced and self._is_refusal(response):
            response = self._retried(request, response, sending)
        if leaves(response, self._answer.base_url):
            # The next hop is a copy of this request, of which only `Authorization` is dropped. The
            # request itself stays signed: it may be sent again.
            request.copy = partial(unsigned, request, self._answer)  # type: ignore[method-assign]
        return response

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
        request.headers.update(self._answer.headers)  # the next hop of a redirect is its copy
        response: Response = refused.connection.send(request.copy(), **sending)
        response.history.append(refused)
        return response


def unsigned(request: PreparedRequest, answer: "Answer") -> PreparedRequest:
    """Return a copy of *request* without the token of *answer*."""
    copied = PreparedRequest.copy(request)
    for name in answer.headers:
        copied.headers.pop(name, None)
    return copied


def rewound(request: PreparedRequest) -> bool:
    """Prepare the body to be sent again; say whether that is possible."""
    if request.body is None or isinstance(request.body, bytes | bytearray | str):
        return True
    try:
        rewind_body(request)
    except Exception:  # noqa: BLE001 (a caller's file may raise anything)
        return False
    return True


def leaves(response: Response, base_url: str) -> bool:
    """Say whether *response* is a redirect to another host than the vendor's."""
    target = SessionRedirectMixin().get_redirect_target(response)
    return target is not None and not origins.is_home(urljoin(response.url, target), base_url)
