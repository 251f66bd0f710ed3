"""The probe of Vendorlink: it logs in, and tests how the session can be extended.

A renewal token is sent again only if it was refused, or if the answer had null for the new one: the
probe tests whether the old one still works. https://helpcenter.ispnext.com/hc/en-gb/articles/26245634683036
says rToken, usable once; https://helpcenter.ispnext.com/hc/en-us/articles/360009375660 says
RenewalToken, null.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from token_broker.exchange import Conversation, Exchange, Response
from token_broker.flows.vendorlink import flow
from token_broker.flows.vendorlink.credentials import CONTENT_TYPE, Credentials
from token_broker.probing import NOT_SENT, Budget, Observed, Prober, Question, described, observing
from token_broker.records import replace
from token_broker.tokens import Token, Variant

KEYS = ("both", "rToken", "RenewalToken")
TYPES = {
    CONTENT_TYPE: "utf-8",
    "application/json; charset=utf8": "utf8",
    "application/json: charset=utf8": "colon",
}
"""Content types in the documentation and the clients, with the fake's mode for each."""

QUESTIONS = (
    Question(
        "extend_key",
        "Which key extends a token?",
        "rToken (new articles); RenewalToken (old article, the vendor's client)",
    ),
    Question(
        "content_type",
        "Which content type extends a token?",
        "charset=utf-8 (clients), charset=utf8, or a colon before it (articles)",
    ),
    Question(
        "null_renewal",
        "Is the renewal token single-use, rotated or null?",
        "usable once, a new one each time (new articles); null (old article)",
    ),
    Question(
        "exp",
        "How far ahead is exp?",
        "60 minutes (new article); 65 minutes after nbf (old sample)",
    ),
)


@dataclass(slots=True)
class _Session:
    """A login's session, with its latest token and the options that extended it."""

    credentials: Credentials
    token: Token
    now: int
    answer: Response = NOT_SENT
    """The answer to the last extension."""

    def extend(
        self, renewal: str | None, key: str | None = None, content_type: str | None = None
    ) -> Conversation[bool]:
        """Extend with *renewal* and these options, or the current ones; say whether it worked.

        Without an answer, *renewal* may be spent: the token is kept without it.
        """
        tried = dataclasses.replace(
            self.credentials,
            extend_key=key or self.credentials.extend_key,
            content_type=content_type or self.credentials.content_type,
            null_renewal="drop",  # do not replace null by the old one
        )
        kept = replace(self.token, renewal=renewal)
        newer = yield from observing(flow.extend(tried, kept, self.now), self._see)
        if not newer:
            if self.is_over and self.answer is not NOT_SENT:
                self.token = replace(self.token, renewal=None)
            return False
        self.credentials, self.token = tried, newer
        return True

    @property
    def is_over(self) -> bool:
        """Say whether the last answer shows that the vendor is down."""
        return self.answer.is_unavailable

    def _see(self, response: Response) -> None:
        self.answer = response


def exchange(credentials: Credentials, _variant: Variant, now: int, observed: Observed) -> Exchange:
    """Log in, try each documented way to extend the session, and return its last token."""
    token = yield from flow.log_in(credentials, now)
    observed.has_token = True
    _note_exp(token, now, observed)
    session = _Session(credentials, token, now)
    yield from _find_way(session, observed)
    return session.token


def _find_way(session: _Session, observed: Observed) -> Conversation[None]:
    """Find a key and a content type that extend the session; then test the renewal token."""
    renewal = session.token.renewal
    if not renewal:
        observed.note("extend_key", "a login gives no renewal token")
        return
    ways = list(_ways(session.credentials))
    for key, content_type in ways:
        if (yield from session.extend(renewal, key, content_type)):
            break
        if session.is_over:
            return
    else:
        last = described(session.answer)
        observed.note("extend_key", f"none, with no content type ({len(ways)} tried; {last})")
        return
    observed.options |= {"extend_key": key, "content_type": content_type}
    mode = {"extend_content_type": TYPES[content_type]} if content_type in TYPES else {}
    observed.note("content_type", content_type, **mode)
    observed.note("extend_key", key, extend_key="either" if key == "both" else key)
    goes_on = yield from _find_renewal(session, renewal, observed)
    if goes_on and key == "both":
        yield from _find_keys(session, observed)


def _ways(credentials: Credentials) -> Iterator[tuple[str, str]]:
    """Yield pairs of key and content type. The configured values come first."""
    for key in sorted(KEYS, key=lambda one: one != credentials.extend_key):
        for content_type in dict.fromkeys((credentials.content_type, *TYPES)):
            yield key, content_type


def _find_renewal(session: _Session, renewal: str, observed: Observed) -> Conversation[bool]:
    """Note whether *renewal* is still valid; say whether there is a renewal token now."""
    if session.token.renewal:
        observed.note("null_renewal", "rotated: a new one each time", extend_renewal="rotate")
        return True
    form = "null" if "renewalToken" in session.answer.members() else "absent"
    if (yield from session.extend(renewal)):
        observed.options["null_renewal"] = "keep"
        observed.note("null_renewal", f"{form}; the one before still works", extend_renewal=form)
        session.token = replace(session.token, renewal=session.token.renewal or renewal)
        return True
    if not session.is_over:
        observed.options["null_renewal"] = "drop"
        seen = f"{form}; the one before is spent: single-use"
        observed.note("null_renewal", seen, extend_renewal="null_spent")
    return False


def _find_keys(session: _Session, observed: Observed) -> Conversation[None]:
    """Note which of the two keys is enough alone."""
    accepted = []
    for key in KEYS[1:]:
        renewal = session.token.renewal
        if (yield from session.extend(renewal, key)):
            accepted.append(key)
            session.token = replace(session.token, renewal=session.token.renewal or renewal)
        elif session.is_over:
            return
    seen = f"both together; alone: {', '.join(accepted) or 'neither'}"
    mode = {"extend_key": accepted[0]} if len(accepted) == 1 else {}
    observed.note("extend_key", seen, **mode)


def _note_exp(token: Token, now: int, observed: Observed) -> None:
    expiry = flow.unverified_expiry(token.value)
    if expiry is None:
        observed.note("exp", "it cannot be read: 60 minutes are assumed", access_token="opaque")  # noqa: S106 (a mode)
    elif expiry != token.expires_at:
        observed.note("exp", f"{expiry - now} s ahead, which is ignored: 60 minutes are assumed")
    else:
        seconds = expiry - now
        observed.note("exp", f"{seconds} s ahead", access_token="jwt", lifetime=seconds)  # noqa: S106 (a mode)


PROBER = Prober(Budget(requests=23, logins=8), QUESTIONS, exchange)
"""At most twelve ways to extend, three more extensions, and a login at up to four hosts, which the
exchange repeats with the previous version of the secret if the current one is rejected."""
