"""Each guard's mutant of the model, and the shipped code without the same guard.

The model's mutant is found by exploration, the code's by replay: a step that the model does not
allow. A few show in no step, only in what comes of them: the simulation's judge finds those.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tests.protocol.replay.hunting import Hunt


class Counterpart(NamedTuple):
    """A planted bug of the simulation's, and what finds it."""

    bug: str
    by: Literal["replay", "judge"] = "replay"
    near: int = 0
    """A seed that showed it: it is looked for from there on, then from the first."""


COUNTERPARTS: Mapping[str, Counterpart] = {
    "free": Counterpart("lease-unchecked"),
    "swap": Counterpart("acquire-uncompared"),
    "swap_fence": Counterpart("acquire-uncompared"),
    "swap_generation": Counterpart("generation-uncompared", by="judge"),
    "fence": Counterpart("commit-unfenced"),
    "owner": Counterpart("commit-unfenced"),
    "fence, owner": Counterpart("commit-unfenced"),
    "fence, owner, own_end": Counterpart("failure-unfenced", by="judge"),
    "owner_read": Counterpart("settled-without-owner"),
    "settle": Counterpart("unsettled", by="judge"),
    "bound": Counterpart("unbounded"),
    "kill": Counterpart("short-lease"),
    "takeover": Counterpart("never-taken-over"),
    "in_use": Counterpart("renewal-unmarked"),
    "doubt": Counterpart("doubt-ignored"),
    "put_back": Counterpart("doubt-not-put-back"),
    "stale": Counterpart("unanswered-unkept"),
    "spoilt": Counterpart("unfinished-unkept"),
    "backoff": Counterpart("unanswered-unkept"),
    "latch": Counterpart("latch-unkept"),
    "latch_forced": Counterpart("no-gate"),
    "latch_version": Counterpart("latch-for-ever", by="judge"),
    "latch_sent": Counterpart("current-latched"),
    "gate_first": Counterpart("no-gate"),
    "suspect": Counterpart("latched-at-once"),
    "second_look": Counterpart("second-try-at-once"),
    "own_latch": Counterpart("variant-unlatched"),
    "strict": Counterpart("forced-amid-backoff"),
    "verdict": Counterpart("gate-untold"),
    "compare": Counterpart("any-report", by="judge"),
    "compare_write": Counterpart("report-unswapped"),
    "generation_wait": Counterpart("forced-anew"),
    "commit_first": Counterpart("told-before-kept"),
    "ask": Counterpart("own-organization"),
    "min_ttl": Counterpart("min-ttl-ignored", by="judge"),
    "key": Counterpart("one-item"),
    "loser": Counterpart("loser-fails", by="judge"),
}


def table(hunts: Mapping[str, Hunt]) -> str:
    """Return which guard's bug was found by what, and where."""
    lines = [f"{'guard of the model':<24} {'bug in the code':<24} {'found by':<9} seed"]
    for guard, (bug, by, _) in COUNTERPARTS.items():
        found = hunts[bug].seed
        shown = "NOT FOUND" if found is None else str(found)
        lines.append(f"{guard:<24} {bug:<24} {by:<9} {shown}")
    return "\n".join(lines)
