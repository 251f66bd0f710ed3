"""What `doctor` finds, and what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from token_broker_cli.troubles import trouble


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    level: Level
    says: str
    do: str = ""


Check = Callable[[], Iterable[Finding]]


def fine(check: str, says: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(check, Level.OK, says)


def odd(check: str, says: str, do: str) -> Finding:
    """Return the finding that somebody should look at it."""
    return Finding(check, Level.WARNING, says, do)


def wrong(check: str, says: str, do: str) -> Finding:
    """Return the finding that it cannot work like this."""
    return Finding(check, Level.FAILURE, says, do)


def remedy(code: str, advice: str) -> str:
    """Return what to do about a call that failed, where the usual *advice* is: see the doctor."""
    return {
        "access_denied": "Check keys and region; your role needs the Operate policy.",
        "unreachable": "Check address and network; the local system is started by `make run`.",
        "store_unavailable": "See what else is found; the function's log names the operation.",
    }.get(code, advice)


def findings(name: str, check: Check) -> Iterator[Finding]:
    """Yield what *check* finds; that it cannot be made is a finding as well."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 (one check that fails must not hide the others)
        known = trouble(error)
        yield wrong(name, f"{known.code}: {known.detail}", remedy(known.code, known.advice))


def unseen(name: str, check: Check, permission: str) -> Iterator[Finding]:
    """Yield what *check* finds, where the operator may do without being allowed to look."""
    for finding in findings(name, check):
        if finding.level is Level.FAILURE and finding.says.startswith("access_denied:"):
            yield odd(
                name, "you are not allowed to look", f"Have {permission} granted, or ask who is."
            )
        else:
            yield finding
