"""Canary secrets, and the search for them in each encoding."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus

LEAST = 8
"""Characters of a secret's beginning that count as the secret."""


def handed_out(answer: Mapping[str, Any]) -> list[str]:
    """Return the tokens in an answer's headers, without a scheme or a cookie's name.

    A header may also have what the context tells everyone, such as a tenant.
    """
    told = {str(value) for value in answer.get("context", {}).values()}
    values = [value for value in answer["headers"].values() if value not in told]
    return [re.sub(r"^(Bearer |[\w-]+=(?=[^=]))", "", value) for value in values]


def texts(value: object) -> list[str]:
    """Return the texts of a JSON value."""
    if isinstance(value, Mapping):
        return [text for member in value.values() for text in texts(member)]
    return [value] if isinstance(value, str) else []


def traces(secrets: Iterable[str], output: bytes) -> list[str]:
    """Return the first characters of each of *secrets* that *output* contains in any encoding."""
    return [secret[:4] for secret in secrets if any(form in output for form in forms(secret))]


@cache
def forms(secret: str) -> tuple[bytes, ...]:
    """Return the encodings of the beginning of *secret*: plain, encoded and reversed."""
    return tuple(encodings(secret))


def encodings(secret: str) -> Iterator[bytes]:
    """Yield them, some of them twice."""
    start = secret[:LEAST]
    yield start.encode()
    yield start[::-1].encode()
    yield secret[-LEAST:][::-1].encode()
    yield quote(start, safe="").encode()
    yield quote_plus(start).encode()
    quoted = json.dumps(start)[1:-1]
    nested = json.dumps(quoted)[1:-1]  # JSON within JSON, as a secret is in AWS's answer
    for text in (quoted, nested):
        yield text.encode()
        yield text.replace("\\", "\\\\").encode()  # as the `repr` of bytes has it
    yield start.encode("utf-16-le")
    yield start.encode().hex().encode()
    yield from in_base64(start.encode())
    yield from in_base64(quote(start, safe="").encode())  # Basic credentials of OAuth 2.0
    yield from in_base64(quote_plus(start).encode())


def in_base64(secret: bytes) -> Iterator[bytes]:
    """Yield the base64 of *secret* at each offset within a longer text."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret + b"\0" * 3)
        # The characters at either end depend on what stands beside the secret.
        inner = encoded[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))
