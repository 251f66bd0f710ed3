"""A conversation with a vendor, written as a generator that does no I/O.

An exchange yields a `Request`, is sent the `Response`, and returns a `Token` at its end. The caller
of `run` decides how requests travel: over the network, or to a fake that is a plain function::

    def exchange(credentials: Credentials, now: int) -> Exchange:
        login: Response = yield Request("POST", url, step="login", json={...})
        return Token(login.object("login")["accessToken"], ...)

    token = run(exchange(credentials, now), send)

Rules of an exchange: no clock (*now* is passed), no logging, no retries, header names in lower
case, and no secret in a URL. It may draw random values, such as a signed request's `jti`.
"""

import json as jsonlib
import math
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias, TypeGuard, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from token_broker.errors import UpstreamContractChanged, UpstreamUnavailable
from token_broker.tokens import Token, Variant

HTTP_TOO_MANY_REQUESTS = 429
LONGEST_RETRY_AFTER = 3600
"""Seconds."""

FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"

NEXT_COOKIE = re.compile(r",\s*(?=[^\s;,=]+=)")
"""What is between two cookies in one header: no name follows the comma of a date."""

BELOW_ZERO = re.compile(r"\s*-[0-9]+\s*")
"""A ``Max-Age`` that ends a cookie, as 0 does."""


def sendable(value: object) -> TypeGuard[str]:
    """Say whether *value* is a text that can stand in a header as it is."""
    return (
        isinstance(value, str)
        and bool(value)
        and value.isascii()
        and value.isprintable()
        and value == value.strip()
    )


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request of an exchange. *step* names it in errors and metrics: ``login``."""

    method: str
    url: str = field(repr=False)
    step: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: object = field(default=None, repr=False)
    """The body, sent as JSON in ASCII. With no form either, ``content-length: 0`` is sent."""
    form: Mapping[str, str] | None = field(default=None, repr=False)
    """The body, sent as a form in UTF-8, with the content type of forms if *headers* has none."""
    proves_credentials: bool = False
    """Whether it sends the credentials, so that its answer shows if the upstream accepts them."""

    def __post_init__(self) -> None:
        """Refuse what could not be sent safely, so that such a request cannot exist."""
        for name, value in self.headers.items():
            if name != name.lower() or not sendable(value):
                raise ValueError(f"{self.step}: header {name!r} cannot be sent")
        if self.form is None:
            return
        if self.json is not None:
            raise ValueError(f"{self.step}: a body is JSON or a form, not both")
        headers = {"content-type": FORM_CONTENT_TYPE, **self.headers}
        object.__setattr__(self, "headers", headers)

    @property
    def path(self) -> str:
        """The URL's path, which is safe to show."""
        return urlsplit(self.url).path

    @property
    def body(self) -> bytes:
        """The bytes that are sent."""
        if self.form is not None:
            return urlencode(self.form).encode()
        if self.json is None:
            return b""
        return jsonlib.dumps(self.json, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie that an answer sets, without its other attributes."""

    value: str = field(repr=False)
    seconds: int | None = None
    """How long it lives; None if the upstream does not say."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. Header names are in lower case. A repeated header is one, with commas."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)

    @property
    def is_success(self) -> bool:
        """Say whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 (that is what 2xx means)

    @property
    def is_unavailable(self) -> bool:
        """Say whether the upstream is down, or asks us to wait: 429 and 5xx."""
        return self.status == HTTP_TOO_MANY_REQUESTS or self.status >= 500  # noqa: PLR2004 (HTTP's)

    @property
    def retry_after(self) -> int | None:
        """Seconds to wait, an hour at most, if the upstream gave them, or the time of their end.

        https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
        """
        seconds = self.seconds_until(self.headers.get("retry-after", ""))
        return None if seconds is None else max(0, min(seconds, LONGEST_RETRY_AFTER))

    def seconds_until(self, text: str) -> int | None:
        """Return the seconds that *text* is, or until the time that it is; None if it is neither.

        The time is by the upstream's clock, and so is the answer's ``date``: ours may differ.
        """
        value = text.strip()
        if value.isascii() and value.isdigit():
            # Nine digits: Python makes no number of thousands of digits, which a header may have.
            return int(value[:9])
        try:
            ends, now = (_moment(text) for text in (value, self.headers["date"]))
            return int((ends - now).total_seconds())
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    def cookies(self) -> dict[str, Cookie]:
        """Return the cookies that this answer sets, by their names.

        ``Max-Age`` comes before ``Expires``: https://www.rfc-editor.org/rfc/rfc6265#section-5.3
        """
        found = dict[str, Cookie]()
        for text in NEXT_COOKIE.split(self.headers.get("set-cookie", "")):
            (name, equals, value), *others = (part.partition("=") for part in text.split(";"))
            said = {name.strip().lower(): value for name, _, value in others}
            is_over = BELOW_ZERO.fullmatch(said.get("max-age", ""))
            lives = [self.seconds_until(said.get(name, "")) for name in ("max-age", "expires")]
            seconds = 0 if is_over else next((one for one in lives if one is not None), None)
            if equals and name.strip():
                found[name.strip()] = Cookie(value.strip(), seconds)
        return found

    def json(self) -> Any:
        """Return the decoded body. None if it is not JSON: callers test the type anyway."""
        try:
            return jsonlib.loads(self.content, parse_constant=_finite, parse_float=_finite)
        except (ValueError, RecursionError):
            return None

    def members(self) -> dict[str, Any]:
        """Return the members of the body; none if it is not a JSON object."""
        body = self.json()
        return body if isinstance(body, dict) else {}

    def reached(self, step: str) -> "Response":
        """Return this response. Raises `UpstreamUnavailable` if that is what it says."""
        if self.is_unavailable:
            raise UpstreamUnavailable(
                f"{step}: the upstream answered {self.status}",
                upstream_status=self.status,
                retry_after=self.retry_after,
            )
        return self

    @property
    def is_html(self) -> bool:
        """Say whether this is a page, as proxies and firewalls answer with, by its body.

        A vendor's own short answer may claim to be HTML by mistake, and so may an empty one.
        """
        body = self.content.removeprefix(b"\xef\xbb\xbf").lstrip()
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return body[:1] == b"<" or (kind == "text/html" and body[:1] not in b"{[")

    def readable(self, step: str) -> "Response":
        """Return this response unless it is an HTML page, which is no answer of the vendor's.

        Raises `UpstreamContractChanged`.
        """
        if self.is_html:
            raise UpstreamContractChanged(
                f"{step}: the answer is an HTML page", upstream_status=self.status
            )
        return self

    def object(self, step: str) -> dict[str, Any]:
        """Return the body, which must be a JSON object.

        Raises `UpstreamContractChanged` for anything else.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise UpstreamContractChanged(
                f"{step}: the answer is not a JSON object", upstream_status=self.status
            )
        return value


def _moment(text: str) -> datetime:
    """Return the time that *text* is. In UTC without a zone: `asctime` writes none in a header."""
    found = parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _finite(text: str) -> float:
    """Return a number. Refuse what JSON does not have: ``NaN``, and ``1e400``, which is infinite.

    Python reads these, and would write them into answers to callers.
    """
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


@dataclass(frozen=True, slots=True)
class NeedToken:
    """What an exchange yields if it needs another variant's token.

    The broker sends it a live `Token` of *variant*, as any caller would get it. *rejected* is the
    fingerprint of a token that the vendor refused.
    """

    variant: Variant
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class ResolvedTo:
    """What an exchange returns if the requested token is that of another variant.

    VNTANA's ways to say "organization acme" all resolve to one uuid.
    """

    variant: Variant
    expected: Mapping[str, Any] = field(default_factory=dict)
    """What the context of that token must say for this to stay right: a role."""


Result = TypeVar("Result")
Conversation: TypeAlias = Generator[Request | NeedToken, Any, Result]
"""Sent a `Response` for a `Request`, a `Token` for a `NeedToken`: annotate what you receive."""

Exchange: TypeAlias = Conversation[Token | ResolvedTo]
Send: TypeAlias = Callable[[Request], Response]


def no_other_tokens(need: NeedToken) -> Token:
    """Refuse a `NeedToken`, for conversations that yield none."""
    raise LookupError(f"there is no token of another variant: {need.variant.kind}")


def run(
    conversation: Conversation[Result],
    send: Send,
    obtain: Callable[[NeedToken], Token] = no_other_tokens,
) -> Result:
    """Drive *conversation* to its end, and return its result."""
    answer: object = None
    while True:
        try:
            step = conversation.send(answer)
        except StopIteration as end:
            return cast("Result", end.value)
        # Outside the try: a `send` that raises StopIteration must not end the conversation.
        answer = obtain(step) if isinstance(step, NeedToken) else send(step)
