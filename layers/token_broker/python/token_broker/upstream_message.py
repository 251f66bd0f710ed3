"""The vendor's message for a refusal, made safe to show: short, printable, and masked.

A vendor may quote the request. So every value of the secret and of the request is masked, and
everything that looks like a token.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from token_broker.errors import UpstreamError
from token_broker.exchange import Request, Response

LONGEST = 200
"""Characters of a message."""

LONGEST_READ = 16_384
"""Bytes of an answer that are read."""

MASK = "***"
REASONS = ("message", "error_description", "detail", "error", "title", "errors", "reason")
"""Members in which vendors give the reason, the most informative first."""

PUBLIC_HEADERS = frozenset({"content-type", "accept"})
SHORT = 2
"""Characters of a value that is masked as a word only: it may be part of any other."""

HIDDEN = "\0"
"""Stands for each character of a confidential value until the end. A token that has such a value
within is still as long, and so still looks like one."""

TOKEN = re.compile(r"[A-Za-z0-9+/_=.~\0-]{16,}")
WORDS = re.compile(r"(?:[A-Z]?[a-z]{2,20}|[A-Z]{2,20}|[_./-]|=?\0+)+")
"""Parts of a long name like ``SUBSCRIPTION_NOT_FOUND``. A token hardly ever consists of them."""


def quoted(
    error: UpstreamError, last: tuple[Request, Response | None] | None, secret: object
) -> UpstreamError:
    """Return *error* with the status and the message of the response that it is about, if any.

    *last* is the request that was sent last, and its response. A status that *error* has stays.
    """
    request, response = last or (None, None)
    if request and response:
        if error.upstream_status is None:
            error.upstream_status = response.status
        error.upstream_message = upstream_message(response, request, secret)
    return error


def upstream_message(response: Response, request: Request, secret: object) -> str | None:
    """Return the message in *response*; None if it has none.

    200 printable characters at most. What *secret* and *request* hold is masked.
    """
    text = _message(response).replace(HIDDEN, " ")
    if not text:
        return None
    confidential = sorted(set(_encoded(_confidential(request, secret))), key=len, reverse=True)
    text = _masked(text, confidential)
    text = _masked(html.unescape(text), confidential)
    text = TOKEN.sub(lambda found: found[0] if WORDS.fullmatch(found[0]) else MASK, text)
    text = re.sub(f"{HIDDEN}+", MASK, text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text[:LONGEST] or None


def _message(response: Response) -> str:
    """Return the text of an answer: the members of `REASONS` in JSON, the title of a page.

    A success that cannot be read has none: it may be a part of a token, or of a caller's data.
    """
    content = response.content[:LONGEST_READ].decode(errors="replace")
    if response.is_html:
        title = re.search(r"<title[^>]*>([^<]*)", content, re.IGNORECASE)
        return title[1] if title else ""
    body = response.json()
    if isinstance(body, dict | list):
        return "; ".join(dict.fromkeys(_reasons(body)))
    if isinstance(body, str):
        return body
    return "" if response.is_success else content


def _reasons(body: object) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, list):
        for member in body:
            yield from _reasons(member)
    elif isinstance(body, dict):
        for name in REASONS:
            yield from _reasons(body.get(name))


def _confidential(request: Request, secret: object) -> Iterator[str]:
    """Yield every text that the secret or the request holds."""
    yield from _texts(secret)
    yield from _texts(request.json)
    yield from _texts(request.form)
    for name, value in request.headers.items():
        if name not in PUBLIC_HEADERS:
            yield from (value, value.rpartition(" ")[2])
        if name == "cookie":
            yield from (part.partition("=")[2].strip() for part in value.split(";"))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int | float):
        yield str(value)
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, Iterable):
        for member in value:
            yield from _texts(member)


def _encoded(values: Iterable[str]) -> Iterator[str]:
    """Yield each value as it is, and as it may stand in a URL, in JSON, or in base64."""
    for value in filter(None, values):
        raw = value.encode("utf-8", "surrogatepass")
        yield value
        if len(value) > SHORT:
            yield from (quote(raw, safe=""), quote_plus(raw), json.dumps(value)[1:-1])
            padded = base64.b64encode(raw).decode()
            yield from (padded, padded.rstrip("="), raw.hex())


def _masked(text: str, confidential: Iterable[str]) -> str:
    """Return *text* with the *confidential* values hidden.

    A pattern is costly, and a request may have very many values. So only for a value that is
    there, one is compiled.
    """
    folded = _folded(text)
    for value in confidential:
        if _folded(value) not in folded:
            continue
        escaped = re.escape(value)
        pattern = escaped if len(value) > SHORT else rf"(?<!\w){escaped}(?!\w)"
        text = re.sub(pattern, lambda found: HIDDEN * len(found[0]), text, flags=re.IGNORECASE)
        folded = _folded(text)
    return text


def _folded(text: str) -> str:
    """Return *text* such that what `re.IGNORECASE` takes as the same is the same.

    Neither `lower` nor `casefold` does that: for a dotless i, a final sigma, or a capital I with a
    dot, which `lower` splits.
    """
    return text.lower().upper().replace("\u0307", "")
