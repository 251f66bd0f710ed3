"""Commands, read from EventBridge's events of changed secrets; loaded for the first of them.

Secrets Manager sends one when a label moves. CloudTrail sends one for a call that changes a secret.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from token_broker.document import Document
from token_broker.errors import InvalidRequest
from token_broker.events import CONNECTION, FORMS, Command, Origin, mapping

LABEL_UPDATED = "Secret Label Updated"
CURRENT = "AWSCURRENT"
NAMES = ("arn", "aRN", "ARN", "SecretId", "secretId", "name")
"""Members that name a secret. Some events of CloudTrail write ``aRN``."""

SUFFIX = re.compile(r"-[A-Za-z0-9]{6}")


def rotation_command(event: Mapping[str, Any], origin: Origin, prefix: str) -> Command:
    """Return the command for an event of a changed secret, called *prefix* and the connection."""
    found, version = _of_label(event, prefix) or _of_call(event, prefix)
    if not found:
        raise InvalidRequest("detail: it names no secret of this flow")
    named = {"otherwise": found[1]} if len(found) > 1 else {}
    if isinstance(version, str) and FORMS["version"][0].fullmatch(version):
        named["version"] = version
    return Command("rotate", found[0], origin, Document(named, InvalidRequest))


def _of_label(event: Mapping[str, Any], prefix: str) -> tuple[Sequence[str], object] | None:
    """Return the connection and the version of Secrets Manager's own event; None if it is none."""
    if event.get("detail-type") != LABEL_UPDATED:
        return None
    detail = mapping(event.get("detail"))
    if detail.get("labelUpdated") != CURRENT:
        raise InvalidRequest(f"detail: labelUpdated is not {CURRENT}")
    resources = event.get("resources")
    named = [detail.get("name"), *(resources if isinstance(resources, list) else [])]
    return _first(named, prefix, is_whole=True), detail.get("versionId")


def _of_call(event: Mapping[str, Any], prefix: str) -> tuple[Sequence[str], object]:
    """Return what may be the connection, the likeliest first, and the version of a call."""
    detail = mapping(event.get("detail"))
    parameters, elements, added = (
        mapping(detail.get(part))
        for part in ("requestParameters", "responseElements", "additionalEventData")
    )
    full = [part.get(name) for part in (elements, added) for name in NAMES]
    found = _first(full, prefix, is_whole=True)
    if not found:
        found = _first([parameters.get(name) for name in NAMES], prefix, is_whole=False)
    return found, elements.get("versionId") or parameters.get("moveToVersionId")


def _first(texts: Sequence[object], prefix: str, *, is_whole: bool) -> Sequence[str]:
    """Return the connections for the first of *texts* that names a secret of this flow."""
    return next((names for text in texts if (names := _named(text, prefix, is_whole))), ())


def _named(text: object, prefix: str, is_whole: bool) -> Sequence[str]:
    """Return the connections that a name or an ARN may stand for, the most likely first."""
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
