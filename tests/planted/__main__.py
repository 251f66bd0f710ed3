"""`python -m tests.planted`: plant each defect, run its tests, and report which of them fail.

All defects share one process and one collection, so each costs only the time of its tests.
"""

import json
import sys
from collections.abc import Iterable, Iterator

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from tests.planted.defects import DEFECTS, Defect

ENTRANCE = (
    *("-q", "--no-header", "--capture=sys", "-p", "no:cacheprovider", "-p", "no:cov"),
    *(
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ),  # the modules with defects are imported already
)


class Planting:
    """Runs tests with a defect, and once more without it."""

    def __init__(self, defects: Iterable[Defect]) -> None:
        self.defects = list(defects)
        self.found: dict[str, dict[str, dict[str, bool]]] = {}

    def pytest_sessionstart(self) -> None:
        """Stop at the first failing example, without shrinking."""
        settings.register_profile(
            "planted", settings(), phases=[Phase.explicit, Phase.generate], print_blob=False
        )
        settings.load_profile("planted")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests of each defect, instead of all collected tests."""
        for defect in self.defects:
            self.found[defect.name] = {
                name: self.tried(defect, list(named(session.items, name)), session)
                for name in defect.tests
            }
        return True

    def tried(
        self, defect: Defect, items: list[pytest.Item], session: pytest.Session
    ) -> dict[str, bool]:
        """Return whether one of *items* fails with *defect*, and whether it does without."""
        with pytest.MonkeyPatch.context() as patch:
            if items:
                defect.plant(patch, items[0].module)  # type: ignore[attr-defined]  # each is a function of one
            failing = next((item for item in items if fails(item, session)), None)
        return {"noticed": failing is not None, "sound": not (failing and fails(failing, session))}


def named(items: Iterable[pytest.Item], name: str) -> Iterator[pytest.Item]:
    """Yield the items of the test *name*: all its cases, unless it says which."""
    for item in items:
        if item.nodeid.startswith(name) and ("[" in name or item.nodeid.partition("[")[0] == name):
            yield item


def fails(item: pytest.Item, session: pytest.Session) -> bool:
    """Run *item*, and say whether it fails."""
    # Keep the fixtures that other tests of its module share.
    others = (other for other in session.items if other is not item)
    following = next((o for o in others if o.path == item.path), None)
    following = following or next((other for other in session.items if other is not item), None)
    reports = runtestprotocol(item, log=False, nextitem=following)
    return any(report.failed for report in reports)


def main(report: str, *names: str) -> int:
    """Write the result of each defect, or of the named ones, to the file *report*."""
    chosen = [defect for defect in DEFECTS if not names or defect.name in names]
    planting = Planting(chosen)
    files = dict.fromkeys(test.partition("[")[0] for defect in chosen for test in defect.tests)
    code = pytest.main([*ENTRANCE, *files], plugins=[planting])
    with open(report, "w") as file:  # noqa: PTH123 (as it was named)
        json.dump(planting.found, file, indent=1)
    return int(code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
