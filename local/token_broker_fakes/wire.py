"""A request and its response as sent: raw header names and bytes."""

import json as jsonlib
from base64 import b64decode
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from token_broker.exchange import FORM_CONTENT_TYPE, NEXT_COOKIE, Request, Response

JSON = "application/json"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(slots=True)
class Call:
    """A request as a vendor sees it, whether it came by function call or over HTTP."""

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By name in lower case."""
    raw: tuple[tuple[str, str], ...]
    """Names and values as they were sent."""
    content: bytes
    scheme: str = ""
    """Known only for a function call. A served request is always on loopback."""

    @classmethod
    def of(cls, request: Request) -> "Call":
        """Return *request* as the broker's transport would send it."""
        url = urlsplit(request.url)
        headers = dict(request.headers)
        content = request.body
        if content:
            headers.setdefault("content-type", JSON)
        raw = tuple(headers.items())
        return cls(
            request.method, url.netloc, url.path, url.query, headers, raw, content, url.scheme
        )

    def json(self) -> Any:
        """Return the decoded body, or None if it is not JSON."""
        try:
            return jsonlib.loads(self.content)
        except (ValueError, RecursionError):
            return None

    def form(self) -> dict[str, str]:
        """Return the fields of a form body; none if the content type is another."""
        if not self.is_form:
            return {}
        fields = parse_qs(self.content.decode(errors="replace"), keep_blank_values=True)
        return {name: values[0] for name, values in fields.items()}

    def cookies(self) -> dict[str, str]:
        """Return the cookies that are sent, by their names."""
        pairs = (part.partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}

    def basic(self) -> tuple[str, str] | None:
        """Return user and password of Basic credentials (RFC 7617), or None."""
        scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
        try:
            user, colon, password = b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        return (user, password) if scheme.lower() == "basic" and colon else None

    def parameter(self, name: str) -> str:
        """Return a parameter of the query, or an empty text."""
        return parse_qs(self.query).get(name, [""])[0]

    @property
    def is_json(self) -> bool:
        """Say whether the body is declared to be JSON."""
        return self.headers.get("content-type", "").lower().startswith(JSON)

    @property
    def is_form(self) -> bool:
        """Say whether the body is declared to be a form."""
        return self.headers.get("content-type", "").lower().startswith(FORM_CONTENT_TYPE)

    @property
    def is_exposed(self) -> bool:
        """Say whether this call was sent over HTTP to another machine."""
        return self.scheme == "http" and host_of(self.host) not in LOOPBACK


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's response, with the original header names. *led_to* describes its effect."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    led_to: str = ""

    def response(self, method: str = "GET") -> Response:
        """Return this answer as the broker's transport gives it to an exchange."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Response(self.status, headers, self.body(method))

    def body(self, method: str) -> bytes:
        """Return the content as it is sent: there is none after HEAD, or with 204."""
        is_empty = method == "HEAD" or self.status == HTTPStatus.NO_CONTENT
        return b"" if is_empty else self.content


@dataclass(frozen=True, slots=True)
class Delivery:
    """A response, and the faults of its delivery."""

    answer: Answer
    lost: str | None = None
    """``drop``, ``cut`` or ``reset``: how the connection ends without the answer."""
    drip: float = 0.0
    """Seconds between two bytes."""


class Refused(Exception):
    """The request breaks a rule of the vendor, which responds with *answer*."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.led_to)
        self.answer = answer


def in_json(
    status: int, value: object, led_to: str, headers: Mapping[str, str] | None = None
) -> Answer:
    """Return an answer that holds *value* as JSON."""
    content = jsonlib.dumps(value, ensure_ascii=False).encode()
    return Answer(status, {"Content-Type": JSON, **(headers or {})}, content, led_to)


def without(answer: Answer, *places: tuple[str, ...]) -> Answer:
    """Return *answer* without the members at *places* in its JSON; as it is if it has none."""
    try:
        body = jsonlib.loads(answer.content)
    except (ValueError, RecursionError):
        return answer
    taken = [took_out(body, place) for place in places]
    return replace(answer, content=jsonlib.dumps(body).encode()) if any(taken) else answer


def without_headers(answer: Answer, names: Collection[str]) -> Answer:
    """Return *answer* without the headers, and without the cookies that it sets, of these names."""
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in names}
    for name, value in headers.items():
        if name.lower() == "set-cookie":
            cookies = NEXT_COOKIE.split(value)
            kept = [one for one in cookies if one.partition("=")[0].strip().lower() not in names]
            headers[name] = ", ".join(kept)
    return replace(answer, headers=headers)


def took_out(node: Any, place: tuple[str, ...]) -> bool:
    """Take the member at *place* out of *node*; say whether there was one."""
    *way, name = place
    for member in way:
        node = node.get(member) if isinstance(node, dict) else None
    return isinstance(node, dict) and node.pop(name, None) is not None


def host_of(netloc: str) -> str:
    """Return a host without its port."""
    return netloc if netloc.endswith("]") else netloc.rpartition(":")[0] or netloc


class Data(MutableMapping[tuple[str, str], Any]):
    """JSON responses to other calls, by method and path.

    Each method of a mapping that sets one checks it. Those of a dict would not.
    """

    def __init__(self, responses: Mapping[tuple[str, str], Any] | None = None) -> None:
        self._responses: dict[tuple[str, str], Any] = {}
        self.update(responses or {})

    def __setitem__(self, place: tuple[str, str], value: Any) -> None:
        if not (isinstance(place, tuple) and [str, str] == [type(part) for part in place]):
            raise TypeError('data is set by a method and a path: fake.data["GET", "/v1/products"]')
        try:
            jsonlib.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise TypeError(f"data for {' '.join(place)} cannot be written as JSON") from None
        self._responses[place] = value

    def __getitem__(self, place: tuple[str, str]) -> Any:
        return self._responses[place]

    def __delitem__(self, place: tuple[str, str]) -> None:
        del self._responses[place]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._responses)

    def __len__(self) -> int:
        return len(self._responses)

    def __ior__(self, others: Mapping[tuple[str, str], Any]) -> Self:
        self.update(others)
        return self
