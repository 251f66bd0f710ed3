"""Which connection an event is about that tells of a changed secret, and which version it names.

Secrets Manager sends ``Secret Label Updated`` itself; of calls CloudTrail tells, if there is a
trail. Both may come, in any order. An ARN of a secret ends with a hyphen and six characters; where
a caller gave it, these may be missing, and what looks like them be part of the name.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/monitoring-eventbridge.html
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from token_broker.calls import CONNECTION, ROTATION, Order
from token_broker.document import Document
from token_broker.errors import InvalidRequest

LABEL_UPDATED = "Secret Label Updated"
CURRENT = "AWSCURRENT"
NAMES = ("arn", "aRN", "ARN", "SecretId", "secretId", "name")
"""Members that name a secret. Some events of CloudTrail write ``aRN``."""

SUFFIX = re.compile(r"-[A-Za-z0-9]{6}")
VERSION = re.compile(r"[A-Za-z0-9_-]{1,64}")


def rotation_order(event: Mapping[str, Any], prefix: str) -> Order:
    """Return the order that a change of a secret called *prefix* and the connection gives."""
    found, version = _of_label(event, prefix) or _of_call(event, prefix)
    if not found:
        raise InvalidRequest("detail: it names no secret of this flow")
    body = {"version": _version(version), "otherwise": found[1] if len(found) > 1 else None}
    told = {name: value for name, value in body.items() if value}
    return Order("rotate", found[0], ROTATION, Document(told, InvalidRequest))


def version(body: Document) -> str | None:
    """Return the version of a secret that an order names."""
    value = body.optional_text("version")
    if value is not None and not VERSION.fullmatch(value):
        raise body.wrong("version", "must be the id of a secret's version")
    return value


def otherwise(body: Document) -> str | None:
    """Return the connection that is meant if there is no secret of the one that is named."""
    value = body.optional_text("otherwise")
    if value is not None and not CONNECTION.fullmatch(value):
        raise body.wrong("otherwise", "must be a connection")
    return value


def _of_label(event: Mapping[str, Any], prefix: str) -> tuple[Sequence[str], object] | None:
    """Return the connection and the version of Secrets Manager's own event; None if it is none."""
    if event.get("detail-type") != LABEL_UPDATED:
        return None
    detail = _mapping(event.get("detail"))
    if detail.get("labelUpdated") != CURRENT:
        raise InvalidRequest(f"detail: labelUpdated is not {CURRENT}")
    resources = event.get("resources")
    named = [detail.get("name"), *(resources if isinstance(resources, list) else [])]
    return _first(named, prefix, is_whole=True), detail.get("versionId")


def _of_call(event: Mapping[str, Any], prefix: str) -> tuple[Sequence[str], object]:
    """Return what may be the connection, the likeliest first, and the version of a call."""
    detail = _mapping(event.get("detail"))
    asked, answered, added = (
        _mapping(detail.get(part))
        for part in ("requestParameters", "responseElements", "additionalEventData")
    )
    told = [part.get(name) for part in (answered, added) for name in NAMES]
    found = _first(told, prefix, is_whole=True)
    if not found:
        found = _first([asked.get(name) for name in NAMES], prefix, is_whole=False)
    return found, answered.get("versionId") or asked.get("moveToVersionId")


def _first(texts: Sequence[object], prefix: str, *, is_whole: bool) -> Sequence[str]:
    """Return the connections that the first of *texts* may stand for which names a secret."""
    return next((names for text in texts if (names := _named(text, prefix, is_whole))), ())


def _named(text: object, prefix: str, is_whole: bool) -> Sequence[str]:
    """Return the connections that a name or an ARN may stand for, the likeliest first."""
    if not isinstance(text, str):
        return ()
    is_arn = text.startswith("arn:")
    name = text.partition(":secret:")[2] if is_arn else text
    if not name.startswith(prefix):
        return ()
    found = name.removeprefix(prefix)
    has_suffix = is_arn and SUFFIX.fullmatch(found[-7:])
    names = [] if has_suffix and is_whole else [found]
    names += [found[:-7]] if has_suffix else []
    return [one for one in names if CONNECTION.fullmatch(one)]


def _version(value: object) -> str | None:
    return value if isinstance(value, str) and VERSION.fullmatch(value) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
