"""What the function would do on a call now, and why: made from the status answer alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from token_broker_cli.ages import second, span, when
from token_broker_cli.variants import Row

LOGINS = {
    "vntana": "logs in, enters the organization and, where the role needs one, the workspace",
    "vendorlink": "renews the token by its renewal token if that is unspent, else logs in",
    "editor": "has the vendor make a token for exactly these parameters",
}


@dataclass(frozen=True, slots=True)
class Account:
    """What a call would lead to: *would* for machines, *because* in sentences."""

    token: str
    variant: str | None
    state: str
    would: str
    """``hand_out``, ``renew_behind``, ``exchange``, ``wait`` or ``refuse``."""
    because: tuple[str, ...]


def accounts(answer: Mapping[str, Any], now: int) -> list[Account]:
    """Return an account for each variant that is known, or for one that is not."""
    flow = str(answer["flow"])
    if not answer["variants"]:
        sentences = (
            "No token is kept for this connection.",
            f"The first call takes the lease and {LOGINS[flow]}; other callers wait for it.",
        )
        return [Account("any", None, "dead", "exchange", sentences)]
    return [account(flow, Row(variant, now)) for variant in answer["variants"]]


def account(flow: str, row: Row) -> Account:
    """Return what a call for one variant would lead to."""
    would, sentences = {
        "fresh": fresh,
        "aging": aging,
        "stale": stale,
    }.get(row.state, dead)(flow, row)
    return Account(row.name, str(row.told["variant"]), row.state, would, tuple(sentences))


def fresh(flow: str, row: Row) -> tuple[str, list[str]]:
    """Explain a token that there is no reason to replace."""
    del flow
    return "hand_out", [
        f"The kept token is handed out at once; it ends {row.ends}.",
        f"Nobody asks the vendor before its renewal is due, {due(row)}.",
        *latch(row),
    ]


def aging(flow: str, row: Row) -> tuple[str, list[str]]:
    """Explain a token that is to be replaced and still works."""
    renewal = (
        "Its renewal is under way, in an invocation of its own."
        if row.told["renewing"]
        else f"The first call has it renewed by an invocation of its own, which {LOGINS[flow]}."
    )
    return "hand_out" if row.told["renewing"] else "renew_behind", [
        f"The kept token is handed out at once; it still lives, and ends {row.ends}.",
        f"Its renewal was due {due(row)}.",
        renewal,
        *latch(row),
    ]


def stale(flow: str, row: Row) -> tuple[str, list[str]]:
    """Explain a token that could not be replaced and still works."""
    del flow
    later = not row.told["latched"] and not waits(row)
    return "renew_behind" if later else "hand_out", [
        f'The kept token is handed out at once, with "stale": true; it ends {row.ends}.',
        failed(row),
        *(latch(row) or [retry(row)]),
    ]


def dead(flow: str, row: Row) -> tuple[str, list[str]]:
    """Explain that there is no token to hand out."""
    why = reason(row)
    if row.told["latched"]:
        return "refuse", [why, failed(row), *latch(row)]
    if row.told["renewing"]:
        return "wait", [why, "Somebody holds the lease: a call waits for what that one earns."]
    if waits(row):
        return "refuse", [why, failed(row), retry(row)]
    failure = [failed(row)] if row.told["failure"] else []
    step = f"A call takes the lease and {LOGINS[flow]}; other callers wait for it."
    return "exchange", [why, *failure, step]


def reason(row: Row) -> str:
    """Say why a token is dead."""
    end = second(row.told["expires_at"])
    if end is None or not row.told["fingerprint"]:
        return "No token is kept."
    if end <= row.now:
        return f"The kept token ended {row.ends}, so it is never handed out."
    if end - row.now <= 30:  # noqa: PLR2004 (what a token must still live for by default)
        return f"The kept token ends {row.ends}: too soon to be of use."
    return "A caller reported the kept token as refused by the vendor, so nobody is given it."


def waits(row: Row) -> bool:
    """Say whether the vendor is left alone after a failure."""
    failure = row.told["failure"]
    return bool(failure) and (second(failure["retry_at"]) or 0) > row.now


def failed(row: Row) -> str:
    """Tell of the last failure."""
    failure = row.told["failure"]
    if not failure:
        return "Why is kept with another token of this connection."
    times = "once" if failure["count"] == 1 else f"{failure['count']} times in a row"
    since = span(row.now - (second(failure["since"]) or row.now))
    return f"The exchange failed {times} with {failure['code']}, first {since} ago."


def retry(row: Row) -> str:
    """Say when the next attempt is."""
    failure = row.told["failure"]
    if waits(row):
        again = when(failure["retry_at"], row.now)
        return f"The vendor is left alone until the next attempt, {again}."
    return "The next call starts another attempt."


def latch(row: Row) -> list[str]:
    """Tell of the latch, and of what lifts it."""
    if not row.told["latched"]:
        return []
    return [
        "The vendor rejected this version of the secret: it is latched, and no login is tried.",
        "A new version lifts the latch (token-broker connect); so does token-broker forget.",
    ]


def due(row: Row) -> str:
    """Say when the renewal is due."""
    return when(row.told["refresh_after"], row.now)
