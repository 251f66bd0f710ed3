"""The probe of the editor: it tests what the documentation leaves open, with one or two tokens.

https://graebert.atlassian.net/wiki/x/U4CJRg says x-api-token; Graebert's own backend sends
x-api-key. The answer to a missing parameter is not documented, nor whether a verification consumes
the token.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from token_broker.exchange import Conversation, Exchange, Response, sendable
from token_broker.flows.editor import flow
from token_broker.flows.editor.credentials import Credentials
from token_broker.probing import NOT_SENT, Budget, Observed, Prober, Question, described, observing
from token_broker.tokens import Variant

OVER = ""
"""There is no token, and no further request may be sent: the vendor is down or no time is left."""

HEADERS = ("x-api-token", "x-api-key")
MISSING = frozenset({400, 403, 422})
"""Statuses that the fake can return for a missing parameter."""

QUESTIONS = (
    Question(
        "verify_header",
        "Which header verifies a token?",
        "x-api-token (all pages); x-api-key (the vendor's backend)",
    ),
    Question(
        "reuse",
        "Does a token survive being verified?",
        "not said: no page says that a token opens the editor once, or more often",
    ),
    Question("expiration_time", "What is the unit of expiration_time?", "seconds, by the sample"),
    Question(
        "missing_parameter",
        "What is the answer to a missing parameter?",
        "not said; userId is optional (old page), mandatory (new page)",
    ),
)


def exchange(credentials: Credentials, variant: Variant, now: int, observed: Observed) -> Exchange:
    """Generate a token, test what is not documented, and return a token that was not consumed."""

    def see(response: Response) -> None:
        _note_expiration(response, now, observed)

    token = yield from observing(flow.exchange(credentials, variant, now), see)
    observed.has_token = True
    spare = yield from _leave_out(credentials, variant.inputs["parameters"], observed)
    if spare is OVER:
        is_used_up = False
    else:
        is_used_up = yield from _verify(credentials, spare or token.value, observed)
    if is_used_up and not spare:
        observed.has_token = False
        token = yield from flow.exchange(credentials, variant, now)
    return token


def _leave_out(
    credentials: Credentials, parameters: Mapping[str, Any], observed: Observed
) -> Conversation[str | None]:
    """Request a token without a required parameter; return the token, if the vendor makes one.

    `OVER` if no further request may be sent.
    """
    name = next((one for one in (*credentials.required, "userId") if one in parameters), None)
    if name is None:
        return None
    fewer = {key: value for key, value in parameters.items() if key != name}
    response: Response = yield flow.generation(credentials, fewer)
    if response.is_unavailable:
        return OVER
    token = response.members().get("token") if response.is_success else None
    if sendable(token):
        mode = {"user_id": "optional"} if name == "userId" else {}
        observed.note("missing_parameter", "a token: it is optional", **mode)
        return token
    status = response.status
    mode = {"missing_parameter": str(status)} if status in MISSING else {}
    observed.note("missing_parameter", described(response), **mode)
    return None


def _verify(credentials: Credentials, token: str, observed: Observed) -> Conversation[bool]:
    """Verify *token* with each header; say whether that consumed it."""
    works: list[str] = []
    for header in sorted(HEADERS, key=lambda one: one != credentials.verify_header):
        tried = replace(credentials, verify_header=header)
        verified: Response = yield flow.verification(tried, token)
        if verified.is_unavailable:
            return verified is not NOT_SENT  # if unknown, it counts as consumed
        if not _is_known(verified):
            continue
        works.append(header)
        if len(works) == 1:
            again: Response = yield flow.verification(tried, token)
            if again.is_unavailable:
                return again is not NOT_SENT
            if not _is_known(again):
                _note_header(works, observed)
                observed.options["reuse"] = False
                observed.note("reuse", "no: verifying uses it up", verify="consumes")
                return True
            observed.note("reuse", "yes", verify="keeps")
    _note_header(works, observed)
    return False


def _note_header(works: list[str], observed: Observed) -> None:
    if not works:
        observed.note("verify_header", "neither of the two")
        return
    observed.options["verify_header"] = works[0]
    mode = "either" if len(works) > 1 else works[0]
    observed.note("verify_header", " and ".join(works), verify_header=mode)


def _is_known(response: Response) -> bool:
    return response.is_success and isinstance(response.json(), dict)


def _note_expiration(response: Response, now: int, observed: Observed) -> None:
    """Note the form of the expiration in a success."""
    body = response.members()
    if not response.is_success or "token" not in body:
        return
    form = _form(body.get("expiration_time"), now) if "expiration_time" in body else "missing"
    observed.note("expiration_time", form, expiration_time=form)


def _form(value: object, now: int) -> str:
    """Return the form of a time, by the fakes' name for it."""
    number = float(str(value)) if flow.NUMBER.fullmatch(str(value)) else -1
    forms = {
        "null": value is None,
        "words": number < 0,
        "zero": number == 0,
        "text": isinstance(value, str),
        "milliseconds": number > flow.MILLISECONDS,
        "past": number <= now,
        "float": isinstance(value, float),
    }
    return next((form for form, is_so in forms.items() if is_so), "seconds")


PROBER = Prober(Budget(requests=6, logins=3), QUESTIONS, exchange)
"""One request with the key omits a parameter, so at most two make a token for use."""
