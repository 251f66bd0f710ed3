"""The results of the mutants: stored between runs, shown as a table."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from tests.mutants.plan import FOLDER, ROOT, Mutant
from tests.mutants.trial import Verdict

RESULTS = FOLDER / "results.jsonl"
EQUIVALENTS = Path(__file__).parent / "equivalents.toml"

FOUND = ("killed", "timed out")
"""A mutant that does not terminate counts as killed: its test run does not end."""

NOT_REACHED = "not reached"
UNSEEN = ("survived", NOT_REACHED)
EQUIVALENT = "equivalent"
LEFT = "not tried"
EVERY = "*"
"""The file of equivalent mutants."""

SPOILT = r"raise [\w.]+\((None|\"XX.*XX\"|)\)( from None)?"
"""A raise with another text, or none."""

STATES = (*FOUND, *UNSEEN, EQUIVALENT, LEFT)


class Results:
    """A file of verdicts on the code of a *digest*, one a line, so that a run can be resumed."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self._states: dict[str, str] = {}
        for line in RESULTS.read_text().splitlines() if RESULTS.is_file() else ():
            kept = json.loads(line)
            if kept["digest"] == digest:
                self._states[kept["key"]] = kept["state"]

    def of(self, mutant: Mutant) -> str | None:
        """Return the stored state of a mutant, or None."""
        return self._states.get(mutant.key)

    def add(self, verdict: Verdict) -> str:
        """Store a verdict, and return the state."""
        self._states[verdict.mutant.key] = verdict.state
        kept = {"key": verdict.mutant.key, "digest": self.digest, "state": verdict.state}
        RESULTS.parent.mkdir(exist_ok=True)
        with RESULTS.open("a") as file:
            file.write(json.dumps(kept) + "\n")
        return verdict.state


class Equivalents:
    """Equivalent mutants, each with its reason."""

    def __init__(self) -> None:
        self.reasons: dict[tuple[str, str, str, str], str] = {}
        self.used: set[tuple[str, str, str, str]] = set()
        read = tomllib.loads(EQUIVALENTS.read_text())
        self._texts: list[dict[str, str]] = read["text"]
        for entry in read["equivalent"]:
            for becomes in entry["becomes"]:
                key = entry["path"], entry["within"], entry["was"], becomes
                self.reasons[key] = entry["because"]

    def reason(self, mutant: Mutant) -> str:
        """Return why a mutant is equivalent, or an empty string."""
        change = (mutant.was, mutant.becomes)
        for key in ((mutant.path, mutant.within, *change), (EVERY, EVERY, *change)):
            if reason := self.reasons.get(key, ""):
                self.used.add(key)
                return reason
        for text in self._texts:
            patterns = (text["raises"], SPOILT)
            if mutant.path.startswith(text["within"]) and all(map(re.fullmatch, patterns, change)):
                return text["because"]
        return ""

    def outdated(self, mutants: Collection[Mutant]) -> Iterator[str]:
        """Yield the entries without a matching mutant; *mutants* are all of some modules."""
        for mutant in mutants:
            self.reason(mutant)
        paths = {mutant.path for mutant in mutants}
        for path, within, was, becomes in self.reasons.keys() - self.used:
            if path in paths or not (path == EVERY or (ROOT / path).is_file()):
                yield f"{path} {within}: {was} -> {becomes}"


def table(states: Iterable[tuple[str, str]]) -> str:
    """Return a table of the states of each module's mutants, from pairs of path and state."""
    counts: dict[str, Counter[str]] = {}
    for path, state in states:
        counts.setdefault(_short(path), Counter())[state] += 1
    rows = [(name, count) for name, count in sorted(counts.items())]
    rows.append(("all", sum((count for _, count in rows), Counter())))
    head = ["module", "mutants", *STATES, "found"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|"]
    for name, count in rows:
        cells = [name, str(count.total()), *(str(count[state]) for state in STATES), share(count)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def share(count: Counter[str]) -> str:
    """Return the share of killed mutants, without equivalent ones."""
    found, unseen = (sum(count[state] for state in states) for states in (FOUND, UNSEEN))
    return f"{100 * found / (found + unseen):.1f} %" if found + unseen else "-"


def is_below(aim: float, count: Counter[str]) -> bool:
    """Return whether the tests killed a smaller share of the tried mutants than *aim*."""
    found, unseen = (sum(count[state] for state in states) for states in (FOUND, UNSEEN))
    return found < aim * (found + unseen)


def _short(path: str) -> str:
    package, _, module = path.partition("/python/")[2].partition("/")
    return f"client/{module}" if package.endswith("_client") else module
