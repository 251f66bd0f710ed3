"""The control endpoint of a served fake: look at it, switch it, read its log, while it runs.

GET    /_control       what it knows and how it is switched
PATCH  /_control       {"modes": {…}, "faults": […], "clock_offset": 0, "advance": 0}: what is named
PUT    /_control       the same, from the defaults: what is not named is reset
GET    /_control/log   the requests it had
DELETE /_control/log   forgets them
"""

import json
from typing import Any

from token_broker_fakes.fake import Fake
from token_broker_fakes.faults import Fault, FaultError
from token_broker_fakes.modes import ModeError
from token_broker_fakes.wire import Answer, in_json

CONTROL = "/_control"
SWITCHES = frozenset({"modes", "faults", "clock_offset", "advance"})


class ControlError(ValueError):
    """What was asked of the control endpoint makes no sense. The message says why."""


def control(fake: Fake[Any], method: str, path: str, content: bytes) -> Answer:
    """Answer one request to the control endpoint."""
    try:
        match method, path.partition("?")[0].removeprefix(CONTROL).rstrip("/"):
            case "GET", "":
                return in_json(200, shown(fake), "control")
            case "PATCH" | "PUT", "":
                switch(fake, decoded(content), afresh=method == "PUT")
                return in_json(200, shown(fake), "control")
            case "GET", "/log":
                return in_json(200, [entry.describe() for entry in tuple(fake.log)], "control")
            case "DELETE", "/log":
                fake.log.clear()
                return in_json(200, [], "control")
    except (ControlError, ModeError, FaultError) as error:
        return in_json(400, {"error": str(error)}, "control")
    return in_json(404, {"error": f"the control endpoint has no {method} {path}"}, "control")


def decoded(content: bytes) -> dict[str, Any]:
    """Return the body, which must be an object that names switches only."""
    try:
        value = json.loads(content)
    except ValueError:
        raise ControlError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise ControlError("the body is not an object")
    if unknown := sorted(value.keys() - SWITCHES):
        raise ControlError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(SWITCHES))}")
    return value


def switch(fake: Fake[Any], wanted: dict[str, Any], *, afresh: bool) -> None:
    """Switch what *wanted* names, all of it or nothing; *afresh* resets the rest."""
    faults = [fault_of(fake, value) for value in wanted.get("faults", ())]
    offset = number(wanted.get("clock_offset", 0.0 if afresh else fake.clock.offset))
    ahead = number(wanted.get("advance", 0))
    modes = type(fake.modes)()
    if not afresh:
        modes.update(fake.modes.values())
    modes.update(wanted.get("modes", {}))
    fake.modes.update(modes.values())
    fake.clock.offset = offset + ahead
    if afresh or "faults" in wanted:
        fake.heal()
    for fault in faults:
        fake.faults.add(fault)


def fault_of(fake: Fake[Any], value: object) -> Fault:
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


def number(value: object) -> float:
    """Return *value*, which must be a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ControlError("clock_offset and advance are numbers of seconds")
    return value


def shown(fake: Fake[Any]) -> dict[str, Any]:
    """Return what *fake* is, knows and had, without passwords and keys."""
    return {
        "vendor": fake.vendor,
        "now": fake.now,
        "clock_offset": fake.clock.offset,
        "modes": fake.modes.describe(),
        "faults": [fault.describe() for fault in tuple(fake.faults.set)],
        "steps": sorted(fake.steps),
        "counts": dict(fake.log.counts),
        "unknown": fake.log.unknown,
        "breaches": fake.log.breaches,
        "state": fake.describe(),
    }
