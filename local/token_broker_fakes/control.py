"""The control endpoint of a served fake: its state, its switches and its log.

GET    /_control       its state and its switches
PATCH  /_control       {"modes": {…}, "faults": […], "clock_offset": 0, "advance": 0,
                        "revoke": true}: sets the named ones
PUT    /_control       the same, and resets all others
GET    /_control/log   its requests; ``?last=20`` for the last ones
DELETE /_control/log   clears the log
"""

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from token_broker_fakes.clock import ClockError, possible
from token_broker_fakes.faults import Fault, FaultError
from token_broker_fakes.log import KEPT
from token_broker_fakes.modes import ModeError
from token_broker_fakes.wire import JSON, Answer

if TYPE_CHECKING:
    from token_broker_fakes.fake import Fake

CONTROL = "/_control"
KINDS = {
    "modes": "JSON object",
    "faults": "list",
    "clock_offset": "number of seconds",
    "advance": "number of seconds",
    "revoke": "truth value",
}


class ControlError(ValueError):
    """A request to the control endpoint is wrong. The message says why."""


def control(fake: "Fake[Any]", method: str, path: str, content: bytes) -> Answer:
    """Answer one request to the control endpoint."""
    place, _, query = path.removeprefix(CONTROL).partition("?")
    try:
        with fake.lock:
            return readable(200, controlled(fake, method, place.rstrip("/"), query, content))
    except LookupError:
        return readable(404, {"error": f"the control endpoint has no {method} {path}"})
    except (ControlError, ModeError, FaultError, ClockError) as error:
        return readable(400, {"error": str(error)})


def controlled(fake: "Fake[Any]", method: str, place: str, query: str, content: bytes) -> object:
    """Answer a request: describe the fake, or switch it."""
    match method, place:
        case "GET", "":
            return shown(fake)
        case "PATCH" | "PUT", "":
            switch(fake, decoded(content), afresh=method == "PUT")
            return shown(fake)
        case "GET", "/log":
            return [entry.describe() for entry in list(fake.log)[-last(query) :]]
        case "DELETE", "/log":
            fake.log.clear()
            return []
    raise LookupError


def last(query: str) -> int:
    """Return the requested number of requests, by default all."""
    value = parse_qs(query, keep_blank_values=True).get("last", [str(KEPT)])[0]
    digits = value.lstrip("0")
    if not (value.isascii() and value.isdigit() and digits):
        raise ControlError("last is a number from 1")
    return int(digits[:9])  # more than there are; and `int` refuses very long numbers


def readable(status: int, value: object) -> Answer:
    """Return *value* as indented JSON with the innermost lists and objects on one line each."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    for brackets in (r"\[[^][{}]*\]", r"\{[^{}]*\}"):
        # JSON has no line breaks within texts, so none of those is touched.
        text = re.sub(brackets, lambda found: re.sub(r"\n\s*", " ", found[0]), text)
    return Answer(status, {"Content-Type": JSON}, f"{text}\n".encode(), "control")


def decoded(content: bytes) -> dict[str, Any]:
    """Return the body, which must be an object with known members."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise ControlError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise ControlError("the body is not an object")
    if unknown := sorted(value.keys() - KINDS.keys()):
        raise ControlError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(KINDS))}")
    return value


def switch(fake: "Fake[Any]", wanted: dict[str, Any], *, afresh: bool) -> None:
    """Set all members of *wanted*, or none if one is invalid. *afresh* resets the others."""
    faults = [fault_of(fake, value) for value in member(wanted, "faults", list, [])]
    modes = type(fake.modes)()
    if not afresh:
        modes.update(fake.modes.values())
    modes.update(member(wanted, "modes", dict, {}))
    offset = member(wanted, "clock_offset", (int, float), 0 if afresh else fake.clock.offset)
    ahead = member(wanted, "advance", (int, float), 0)
    moved = possible(offset, ahead)
    if member(wanted, "revoke", bool, False):
        fake.revoke()
    fake.modes.update(modes.values())
    fake.clock.offset = moved
    if afresh or "faults" in wanted:
        fake.faults.set = faults


def member(wanted: dict[str, Any], name: str, kind: Any, default: Any) -> Any:
    """Return a member of *wanted*, which must be of *kind*."""
    value = wanted.get(name, default)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ControlError(f"{name} is a {KINDS[name]}")
    return value


def fault_of(fake: "Fake[Any]", value: object) -> Fault:
    """Return the fault that *value*, an object, describes."""
    if not isinstance(value, dict):
        raise ControlError("a fault is an object")
    try:
        fault = Fault(**value)
    except TypeError:
        known = ", ".join(Fault.__slots__)
        raise ControlError(f"a fault has a kind and may have: {known}") from None
    fake.faults.check(fault)
    return fault


def shown(fake: "Fake[Any]") -> dict[str, Any]:
    """Return the state of *fake*, without passwords and keys."""
    return {
        "vendor": fake.vendor,
        "now": fake.now,
        "clock_offset": fake.clock.offset,
        "modes": fake.modes.describe(),
        "faults": [fault.describe() for fault in fake.faults.set],
        "steps": sorted(fake.steps),
        "counts": dict(fake.log.counts),
        "unknown": fake.log.unknown,
        "breaches": fake.log.breaches,
        "state": fake.describe(),
    }
