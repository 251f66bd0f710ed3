"""Pairs of the model's mutants and planted bugs that remove the same guard from the code.

Exploration finds the mutant; the replay finds the bug as a step that the model does not allow. Some
bugs show only in later effects: the simulation's judge finds those. One showed in none of six
hundred seeds: `tests/protocol/test_writes.py` finds it.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tests.protocol.simulation.campaign import Hunt


class Counterpart(NamedTuple):
    """A planted bug of the simulation, and the check that finds it."""

    bug: str
    by: Literal["replay", "judge", "writes"] = "replay"
    near: int = 0
    """A seed that found it: the search begins there, then restarts at the first seed."""


COUNTERPARTS: Mapping[str, Counterpart] = {
    "free": Counterpart("lease-unchecked"),
    "swap": Counterpart("acquire-uncompared", near=1),
    "swap_fence": Counterpart("acquire-uncompared", near=1),
    "swap_generation": Counterpart("generation-uncompared", by="judge", near=11),
    "fence": Counterpart("commit-unfenced", near=87),
    "owner": Counterpart("commit-unfenced", near=87),
    "fence, owner": Counterpart("commit-unfenced", near=87),
    "fence, owner, own_end": Counterpart("failure-unfenced", by="judge", near=1161),
    "owner_read": Counterpart("settled-without-owner", near=6),
    "settle": Counterpart("unsettled", by="judge"),
    "bound": Counterpart("unbounded"),
    "kill": Counterpart("short-lease", near=1),
    "takeover": Counterpart("never-taken-over", by="judge", near=6),
    "in_use": Counterpart("renewal-unmarked", near=2),
    "doubt": Counterpart("doubt-ignored", by="judge"),
    "put_back": Counterpart("doubt-not-put-back", near=51),
    "stale": Counterpart("unanswered-unkept", near=37),
    "spoilt": Counterpart("unfinished-unkept", by="writes"),
    "backoff": Counterpart("unanswered-unkept", near=37),
    "latch": Counterpart("latch-unkept", near=9),
    "latch_forced": Counterpart("no-gate"),
    "latch_version": Counterpart("latch-for-ever", by="judge"),
    "latch_sent": Counterpart("current-latched", near=90),
    "gate_first": Counterpart("no-gate"),
    "suspect": Counterpart("latched-at-once", near=9),
    "second_look": Counterpart("second-try-at-once", by="judge", near=890),
    "own_latch": Counterpart("variant-unlatched", near=34),
    "strict": Counterpart("forced-amid-backoff", by="judge", near=267),
    "verdict": Counterpart("gate-untold"),
    "compare": Counterpart("any-report", by="judge"),
    "compare_write": Counterpart("report-unswapped", by="judge", near=1679),
    "generation_wait": Counterpart("forced-anew", by="judge", near=7),
    "commit_first": Counterpart("told-before-kept", near=28),
    "ask": Counterpart("own-organization", by="judge"),
    "min_ttl": Counterpart("min-ttl-ignored", by="judge"),
    "key": Counterpart("one-item", near=4),
    "loser": Counterpart("loser-fails", by="judge", near=1),
}


def table(hunts: Mapping[str, Hunt]) -> str:
    """Return a table of the guards, their bugs, and the check and seed that found each."""
    lines = [f"{'guard of the model':<24} {'bug in the code':<24} {'found by':<9} seed"]
    for guard, (bug, by, _) in COUNTERPARTS.items():
        shown = "see test_writes.py" if by == "writes" else "see the kill table"
        if bug in hunts:
            finding = hunts[bug].finding
            shown = str(finding.seed) if finding else "NOT FOUND"
        lines.append(f"{guard:<24} {bug:<24} {by:<9} {shown}")
    return "\n".join(lines)
