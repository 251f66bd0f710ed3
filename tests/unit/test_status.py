"""What an operator sees: what a call would do next, and why."""

from typing import Any

import pytest

from tests.conversations import NOW
from tests.unit.items import (
    AGAIN,
    AGING,
    DIED,
    DOWN,
    EMPTY,
    FRESH,
    HOLD,
    REFUSED,
    REPORTED,
    RUNNING,
    V1_REJECTED,
    kept,
)
from token_broker.item import Item, rfc3339
from token_broker.records import replace
from token_broker.status import Next, entry, next_step

FRESH_NEXT = (Next.HAND_OUT, "the token is fresh")
OTHER = (Next.HAND_OUT, "the token lives; it was made with another version of the secret")
STILL_LIVES = (Next.HAND_OUT, "the last refresh failed; the token still lives")
DUE = (Next.REFRESH, "the token is handed out, and its refresh starts in the background")
STARTED = (Next.HAND_OUT, "the token lives, and its refresh has been started")
REPLACED = (Next.HAND_OUT, "the token lives; another one is being made")
NO_TOKEN = (Next.EXCHANGE, "no token is kept")
ENDED = (Next.EXCHANGE, "the token has ended, or has too little time left")
UNFINISHED = "an exchange was begun and not finished, so the token may be dead"
WAITS = (Next.WAIT, "another caller is exchanging; this one waits for its token")
SUSPECT = {"accepted_version": "v1", "suspect_version": "v1", "suspect_at": NOW - 59}
REFUSED_ONE = {"accepted_version": None, "suspect_version": "v1", "suspect_variants": ("-",)}
ONCE_MORE = "this version of the secret was rejected once: it is tried once more in a minute"
LATCHED = (Next.REFUSE, "this version of the secret was rejected: set a new one, or DELETE")
HELD = f"an operator has held the connection since {rfc3339(NOW)}: laptop stolen"
BACKS_OFF = (Next.REFUSE, "the last exchange failed (upstream_unavailable): it is backing off")
TOO_OLD = kept(expires_at=NOW + 30)


def old_by(refused: tuple[Next, str]) -> tuple[Next, str]:
    """Return what follows if the exchange is *refused*, but the old token lives."""
    return Next.HAND_OUT, f"the token still lives; {refused[1]}"


SHUT = replace(EMPTY, variant="v", failure=replace(REFUSED, retry_at=NOW), **V1_REJECTED)


@pytest.mark.parametrize(
    ("item", "of_gate", "expected"),
    [
        pytest.param(FRESH, {}, FRESH_NEXT, id="fresh"),
        pytest.param(kept(secret_version="v0"), {}, OTHER, id="another version"),
        pytest.param(AGING, {}, DUE, id="aging"),
        pytest.param(kept(failure=DOWN), {}, STILL_LIVES, id="it backs off"),
        pytest.param(
            replace(EMPTY, variant="v", failure=DOWN), V1_REJECTED, BACKS_OFF, id="an outage first"
        ),
        pytest.param(kept(failure=AGAIN), {}, DUE, id="due again"),
        pytest.param(replace(AGING, nudged_until=NOW + 9), {}, STARTED, id="it was started"),
        pytest.param(kept(**RUNNING), {}, REPLACED, id="it is being replaced"),
        pytest.param(kept(**RUNNING, failure=DOWN), {}, REPLACED, id="once more"),
        pytest.param(kept(expires_at=NOW), {}, ENDED, id="ended"),
        pytest.param(TOO_OLD, {}, ENDED, id="too little left"),
        pytest.param(replace(TOO_OLD, **DIED), {}, ENDED, id="too little left, a holder died"),
        pytest.param(replace(TOO_OLD, failure=DOWN), {}, BACKS_OFF, id="too little, backing off"),
        pytest.param(REPORTED, {}, (Next.EXCHANGE, "the token was reported as rejected")),
        pytest.param(kept(**DIED), {}, (Next.EXCHANGE, UNFINISHED), id="a holder died"),
        pytest.param(kept(**DIED, failure=DOWN), {}, old_by(BACKS_OFF), id="died, backing off"),
        pytest.param(kept(**DIED), V1_REJECTED, old_by(LATCHED), id="a holder died, latched"),
        pytest.param(kept(**DIED), {"held": HOLD}, (Next.REFUSE, HELD), id="a holder died, held"),
        pytest.param(replace(EMPTY, **RUNNING), V1_REJECTED, WAITS, id="another caller exchanges"),
        pytest.param(replace(EMPTY, failure=DOWN), {}, BACKS_OFF, id="backing off"),
        pytest.param(replace(EMPTY, failure=AGAIN), {}, NO_TOKEN, id="its back-off is over"),
        pytest.param(replace(EMPTY, failure=AGAIN), V1_REJECTED, LATCHED, id="latched"),
        pytest.param(EMPTY, SUSPECT, (Next.REFUSE, ONCE_MORE), id="rejected once"),
        pytest.param(EMPTY, SUSPECT | {"suspect_at": NOW - 60}, NO_TOKEN, id="a minute ago"),
        pytest.param(EMPTY, SUSPECT | {"suspect_version": "v0"}, NO_TOKEN, id="another was"),
        pytest.param(
            replace(EMPTY, failure=replace(REFUSED, secret_version="v0")),
            {},
            NO_TOKEN,
            id="failed with another version",
        ),
        pytest.param(
            replace(EMPTY, failure=replace(DOWN, secret_version="v0")),
            {},
            BACKS_OFF,
            id="an outage, with another version",
        ),
        pytest.param(SHUT, {"accepted_version": None}, LATCHED, id="latched for itself alone"),
        pytest.param(EMPTY, REFUSED_ONE, LATCHED, id="refused for itself alone"),
        pytest.param(replace(EMPTY, variant="v"), REFUSED_ONE, NO_TOKEN, id="refused for another"),
        pytest.param(SHUT, {}, NO_TOKEN, id="proven by another variant"),
        pytest.param(EMPTY, {"rejected_versions": ("v0",)}, NO_TOKEN, id="an old latch"),
        pytest.param(FRESH, {"held": HOLD}, (Next.REFUSE, HELD), id="held"),
    ],
)
def test_the_next_step_of_a_call_and_its_reason(
    item: Item, of_gate: dict[str, Any], expected: tuple[Next, str]
) -> None:
    gate = replace(EMPTY, **{"accepted_version": "v1"} | of_gate)
    assert next_step(item, gate, NOW, "v1") == expected


@pytest.mark.parametrize(("version", "shown"), [("v1", "fresh"), ("v2", "aging")])
def test_the_state_is_that_under_the_current_version_of_the_secret(
    version: str, shown: str
) -> None:
    assert entry(FRESH, EMPTY, NOW, version)["state"] == shown


def test_the_names_of_the_next_steps() -> None:
    actions = ["hand_out", "refresh", "exchange", "wait", "refuse"]
    assert [each.value for each in Next] == actions
