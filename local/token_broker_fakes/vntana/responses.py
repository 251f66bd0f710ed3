"""VNTANA's envelope, in the forms of its contradictory documents."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from token_broker_fakes.vntana.accounts import Organization, Workspace
from token_broker_fakes.vntana.modes import VntanaModes
from token_broker_fakes.vntana.sessions import Session
from token_broker_fakes.wire import Answer, Refused, in_json

DECIMALS = {"millis": 3, "micros": 6, "seconds": 0}


def refused(modes: VntanaModes, status: int, *codes: str) -> Refused:
    """Return the error with *codes*, to be raised."""
    errors: list[Any] = list(codes)
    if modes.failure_errors == "objects":
        errors = [{"code": code, "message": code} for code in codes]
    body: dict[str, Any] = {"success": False, "errors": errors}
    if modes.failure_body == "null":
        body["response"] = None
    status = 200 if modes.failure_status == "200" else status
    return Refused(in_json(status, body, ", ".join(codes)))


def unauthorized(modes: VntanaModes, path: str) -> Refused:
    """Return a 401 with the framework's body, as the documents do not describe it."""
    if modes.failure_status == "200":
        return refused(modes, 401, "UNAUTHORIZED")
    body = {"status": 401, "error": "Unauthorized", "message": "Unauthorized", "path": path}
    return Refused(in_json(401, body, "UNAUTHORIZED"))


def accepted(
    modes: VntanaModes,
    response: Mapping[str, Any],
    led_to: str,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return the envelope of a success."""
    body: dict[str, Any] = {"success": True, "errors": [], "response": response}
    match modes.success_errors:
        case "object":
            body["errors"] = {}
        case "absent":
            del body["errors"]
    return in_json(200, body, led_to, headers)


def handed_out(modes: VntanaModes, session: Session, now: float) -> Answer:
    """Return a response with a token, in the place and format of *modes*."""
    prefix = "" if modes.token_prefix == "none" else f"{modes.token_prefix} "
    value = prefix + session.token
    body: dict[str, Any] = {"email": session.account.email}
    details = session_of(modes, session.expires_at, now)
    match modes.token_place:
        case "body" | "both":
            body["token"] = value
        case "session":
            details["accessToken"] = value
    if details:
        body["session"] = details
    in_header = modes.token_place in ("header", "both")
    headers: dict[str, str] = {modes.token_header: value} if in_header else {}
    return accepted(modes, body, session.named, headers)


def session_of(modes: VntanaModes, expires_at: float, issued_at: float) -> dict[str, Any]:
    """Return the optional session, with the expiration in the format of *modes*."""
    if modes.session == "absent":
        return {}
    return {"status": "ACTIVE", "expiration": expiration(modes.session, expires_at, issued_at)}


def expiration(form: str, expires_at: float, issued_at: float) -> str | int | None:
    """Return the end of a session in *form*."""
    match form:
        case "zulu":
            return written(expires_at, "millis") + "Z"
        case "past":
            return written(issued_at - 3600, "millis")
        case "text":
            return "in a month"
        case "null":
            return None
        case "number":
            return int(expires_at)
    return written(expires_at, form)


def written(at: float, form: str) -> str:
    """Write a time as VNTANA does: no zone, and three, six or no decimals."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    decimals = DECIMALS[form]
    return text[: 20 + decimals] if decimals else text[:19]


def grid(
    modes: VntanaModes, rows: Sequence[Organization] | Sequence[Workspace]
) -> Mapping[str, Any]:
    """Return a list of organizations or workspaces, as complete as *modes* say."""
    if modes.grid == "empty":
        return {"totalCount": 0, "grid": []}
    shown = rows[:-1] if modes.grid == "incomplete" else rows
    return {"totalCount": len(rows), "grid": [row_of(modes, row) for row in shown]}


def row_of(modes: VntanaModes, row: Organization | Workspace) -> dict[str, Any]:
    """Return one organization or workspace as an entry of a list."""
    return {
        "uuid": row.uuid,
        "slug": row.slug,
        "name": row.name or row.slug.title(),
        "role": row.role,
        "imageBlobId": "",
        "created": written(1_580_498_243.972311, modes.created),
    }
