"""What VNTANA's answers mean: tokens in headers, codes in bodies, and statuses that contradict.

The codes are those that the OpenAPI file declares for a 403 of a login, and ``BAD_CREDENTIALS``,
which is only that answer's description. See docs/upstreams/vntana.md for the contradictions.
"""

import re
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from token_broker.errors import (
    CredentialRejected,
    UpstreamContractChanged,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import Response, sendable

WAIT = frozenset({"API_RATE_LIMIT_EXCEEDED", "INTERNAL_SERVER_ERROR", "BAD_GATEWAY"})
"""Codes that ask to come again later, whatever the status."""

WRONG_CREDENTIALS = frozenset({"BAD_CREDENTIALS", "UNAUTHORIZED"})
DEAD_TOKEN = frozenset({"FORBIDDEN", "UNAUTHORIZED", "TOKEN_NOT_FOUND"})
RATE_LIMIT_SECONDS = 60
"""How long to wait where a rate limit does not say; nothing is documented."""

LONGEST_TOKEN_SECONDS = 30 * 86_400
CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


class Refusal(Enum):
    """What a refused step says about the token it was sent with."""

    CREDENTIALS = "BAD_CREDENTIALS"
    DEAD = "the token is dead"
    OTHER = "another reason"


def codes_of(response: Response) -> list[str]:
    """Return the error codes of an answer: strings, or objects with a message."""
    body = response.json()
    errors = body.get("errors") if isinstance(body, dict) else None
    listed = errors if isinstance(errors, list) else [errors]
    texts = [e.get("message") or e.get("code") if isinstance(e, dict) else e for e in listed]
    return [text for text in texts if isinstance(text, str) and CODE.fullmatch(text)]


def has_failed(response: Response) -> bool:
    """Say whether an answer is a failure: some come with status 200."""
    body = response.json()
    return not response.is_success or (isinstance(body, dict) and body.get("success") is False)


def refusal(response: Response) -> Refusal | None:
    """Return what a refusal of a later step says; None for a success or an outage."""
    if not has_failed(response) or response.status >= 500 or WAIT & {*codes_of(response)}:  # noqa: PLR2004
        return None
    codes = set(codes_of(response))
    if "BAD_CREDENTIALS" in codes:
        return Refusal.CREDENTIALS
    if response.status == 401 or codes & DEAD_TOKEN:  # noqa: PLR2004
        return Refusal.DEAD
    return Refusal.OTHER


def login_checked(response: Response) -> None:
    """Raise what a login that failed means: both 401 and 403 are documented for a password."""
    codes = codes_of(response)
    if not has_failed(response) or WAIT & set(codes):
        checked(response, "login")
        return
    no_other_reason = not codes and response.status in {200, 401, 403}
    if response.status == 401 or WRONG_CREDENTIALS & set(codes) or no_other_reason:  # noqa: PLR2004
        raise CredentialRejected(
            "login: refused", upstream_status=response.status, upstream_code=_first(codes)
        )
    checked(response, "login")


def checked(response: Response, step: str) -> Response:
    """Return *response* if it is a success as documented, else raise what it means."""
    codes = codes_of(response)
    waits = WAIT & set(codes)
    if waits:
        raise UpstreamUnavailable(
            f"{step}: told to wait",
            retry_after=response.retry_after or RATE_LIMIT_SECONDS,
            upstream_status=response.status,
            upstream_code=min(waits),
        )
    response.reached(step)
    if not has_failed(response):
        response.object(step)
        return response
    if codes or response.status in {401, 403}:
        raise UpstreamRefused(
            f"{step}: refused", upstream_status=response.status, upstream_code=_first(codes)
        )
    raise UpstreamContractChanged(
        f"{step}: unexpected status {response.status}", upstream_status=response.status
    )


def token_of(response: Response, step: str, *, in_body: bool) -> str:
    """Return the token of an answer without ``Bearer``; the header wins over the body."""
    found = response.headers.get("x-auth-token")
    if not found and in_body:
        body = response.object(step).get("response")
        answer = body if isinstance(body, dict) else {}
        found = answer.get("token") or _session(answer).get("accessToken")
    text = found.strip() if isinstance(found, str) else ""
    token = re.sub(r"^bearer\s+", "", text, flags=re.IGNORECASE)
    if not sendable(token) or " " in token:
        raise UpstreamContractChanged(f"{step}: the answer has no token (token_missing)")
    return token


def expiry_of(response: Response, now: int) -> int | None:
    """Return the second in ``session.expiration``, if it is there, can be read and is to come."""
    body = response.json()
    answer = body.get("response") if isinstance(body, dict) else None
    text = _session(answer if isinstance(answer, dict) else {}).get("expiration")
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.strip()))
    except ValueError:
        return None
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return min(seconds, now + LONGEST_TOKEN_SECONDS) if seconds > now else None


def rows_of(response: Response, step: str) -> tuple[list[dict[str, Any]], int]:
    """Return uuid, slug and role of each row of a grid, and how many rows there are in all."""
    body = response.object(step).get("response")
    grid = body.get("grid") if isinstance(body, dict) else None
    total = body.get("totalCount") if isinstance(body, dict) else None
    if not isinstance(grid, list) or not all(_is_row(row) for row in grid):
        raise UpstreamContractChanged(f"{step}: the answer has no grid of rows with uuid and slug")
    rows = [{name: row.get(name) for name in ("uuid", "slug", "role")} for row in grid]
    return rows, total if isinstance(total, int) else len(rows)


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and sendable(row.get("uuid")) and isinstance(row.get("slug"), str)


def _session(answer: dict[str, Any]) -> dict[str, Any]:
    session = answer.get("session")
    return session if isinstance(session, dict) else {}


def _first(codes: list[str]) -> str | None:
    return codes[0] if codes else None
