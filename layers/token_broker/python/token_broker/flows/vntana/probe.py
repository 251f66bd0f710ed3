"""The probe of VNTANA: it tests how to enter an organization and a workspace.

If a request is refused, the other documented forms are tried: those of
https://www.vntana.com/resource/refresh-token-usage/ and of internal/platform.js in
https://github.com/VNTANA-3D/viewer-demo.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from token_broker.exchange import Conversation, Exchange, NeedToken, Request, Response
from token_broker.flows.vntana import api, flow
from token_broker.flows.vntana.credentials import LONGEST_LIFETIME, Credentials
from token_broker.probing import Budget, Observed, Prober, Question, described, relayed
from token_broker.tokens import Variant

WORKSPACE = "enter workspace"
ENTRIES = {"enter organization": ("both",), WORKSPACE: ("both", "client")}
"""The steps that have several forms, with the headers that each may need."""

METHODS = ("POST", "GET")
NO_SUCH_METHOD = frozenset({404, 405})
NO_SUCH_CODES = frozenset({"METHOD_NOT_ALLOWED", "HANDLER_NOT_FOUND", "NOT_FOUND"})
HOUR = 3600

QUESTIONS = (
    Question(
        "refresh_method",
        "Which method makes a token of an organization or workspace?",
        "POST (guide, OpenAPI); GET (the vendor's demo)",
    ),
    Question(
        "workspace_headers",
        "Which headers name a workspace?",
        "organizationUuid and clientUuid (guide); clientUuid alone (the vendor's demo)",
    ),
    Question(
        "token_from_body",
        "Is the token in the header or in the body?",
        "in the header X-AUTH-TOKEN (guide); in the body (samples)",
    ),
    Question(
        "lifetime",
        "Does the answer have an expiration?",
        "30 days (help centre); response.session.expiration (OpenAPI)",
    ),
)


def exchange(credentials: Credentials, variant: Variant, now: int, observed: Observed) -> Exchange:
    """Exchange as the flow does. If an entry is refused, try its other forms."""
    # Accept a token in either place, and begin with all headers: some forms remove one.
    adapted = replace(credentials, token_from_body=True, workspace_headers="both")

    def relay(step: Request | NeedToken) -> Conversation[Any]:
        if isinstance(step, Request) and step.step in ENTRIES:
            return (yield from _enter(credentials, step, now, observed))
        answer: Any = yield step
        if isinstance(step, Request) and step.step == "login":
            _note_place(answer, observed)
        return answer

    return relayed(flow.exchange(adapted, variant, now), relay)


def _enter(
    credentials: Credentials, request: Request, now: int, observed: Observed
) -> Conversation[Response]:
    """Send *request* in each documented form until one makes a token.

    If none does, return the answer to the first, which the flow turns into an error.
    """
    refused: dict[str, Response] = {}
    unknown: set[str] = set()
    for method, headers in _ways(credentials, request, observed):
        if method in unknown:
            continue
        response: Response = yield _sent(request, method, headers)
        if response.is_unavailable or api.WAIT & set(api.codes_of(response)):
            return response
        if not api.has_failed(response):
            if _note_place(response, observed):
                _note_way(request, method, headers, observed)
                _note_expiration(credentials, response, now, observed)
            return response
        refused[f"{method}, {headers}" if request.step == WORKSPACE else method] = response
        if _is_unknown(response):
            unknown.add(method)
    _note_refusals(request, refused, observed)
    return next(iter(refused.values()))


def _ways(
    credentials: Credentials, request: Request, observed: Observed
) -> Iterator[tuple[str, str]]:
    """Yield pairs of method and headers. Observed or configured values come first."""
    known = observed.options.get("refresh_method")
    methods = (known,) if known else _first(credentials.refresh_method, METHODS)
    for method in methods:
        for headers in _first(credentials.workspace_headers, ENTRIES[request.step]):
            yield method, headers


def _first(configured: str, all_of_them: tuple[str, ...]) -> list[str]:
    return sorted(all_of_them, key=lambda one: one != configured)


def _sent(request: Request, method: str, headers: str) -> Request:
    names = dict(request.headers)
    if headers == "client":
        del names["organizationuuid"]
    return replace(request, method=method, headers=names)


def _is_unknown(response: Response) -> bool:
    codes = NO_SUCH_CODES & set(api.codes_of(response))
    return response.status in NO_SUCH_METHOD or bool(codes)


def _note_way(request: Request, method: str, headers: str, observed: Observed) -> None:
    observed.options["refresh_method"] = method
    observed.note("refresh_method", method, refresh_method=method)
    if request.step == WORKSPACE:
        observed.options["workspace_headers"] = headers
        seen = "both" if headers == "both" else "clientUuid alone"
        observed.note("workspace_headers", seen, workspace_headers=headers)


def _note_refusals(request: Request, refused: dict[str, Response], observed: Observed) -> None:
    codes = {way: next(iter(api.codes_of(answer)), None) for way, answer in refused.items()}
    texts = [f"{way}: {described(answer, codes[way])}" for way, answer in refused.items()]
    question = "workspace_headers" if request.step == WORKSPACE else "refresh_method"
    observed.note(question, f"no way works ({'; '.join(texts)})")


def _note_place(response: Response, observed: Observed) -> bool:
    """Note the place of the token in a success; say whether there is one."""
    answer = api.object_in(response.members(), "response")
    places = {
        "header": "x-auth-token" in response.headers,
        "body": bool(answer.get("token")),
        "session": bool(api.object_in(answer, "session").get("accessToken")),
    }
    found = [place for place, is_there in places.items() if is_there]
    if not found or api.has_failed(response):
        return False
    place = "both" if found[:2] == ["header", "body"] else found[0]
    observed.options["token_from_body"] = "header" not in found
    observed.note("token_from_body", f"in the {' and the '.join(found)}", token_place=place)
    return True


def _note_expiration(
    credentials: Credentials, response: Response, now: int, observed: Observed
) -> None:
    session = api.object_in(response.members(), "response").get("session")
    if not isinstance(session, dict):
        observed.note("lifetime", "no", session="absent")
        return
    form, expires_at = _form(session.get("expiration"), now), api.expiry_of(response, now)
    if expires_at is None:
        observed.note("lifetime", f"none that can be used ({form})", session=form)
        return
    seconds = expires_at - now
    observed.note("lifetime", f"yes, {seconds} s ahead ({form})", session=form, lifetime=seconds)
    # Whole hours, so that repeated probes return the same.
    hours = min(seconds // HOUR * HOUR, LONGEST_LIFETIME)
    if hours > credentials.lifetime + HOUR:
        observed.options["lifetime"] = hours


def _form(text: object, now: int) -> str:
    """Return the form of an expiration, by the fakes' name for it."""
    if not isinstance(text, str):
        return "null" if text is None else "number"
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return "text"
    if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() <= now:
        return "past"
    if moment.tzinfo:
        return "zulu"
    return {0: "seconds", 3: "millis"}.get(len(text.strip().partition(".")[2]), "micros")


PROBER = Prober(Budget(requests=20, logins=2), QUESTIONS, exchange)
