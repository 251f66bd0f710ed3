"""The corpus of the coverage-guided fuzzer as regression tests."""

from pathlib import Path

import pytest

from fuzz.targets import CORPUS, TARGETS
from fuzz.targets.properties import Broken, expect

INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_input_of_the_corpus_violates_a_property(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_each_target_has_a_corpus() -> None:
    """Each input has a target that reads it, and each target has inputs."""
    assert {path.parent.name for path in INPUTS} == TARGETS.keys()


def test_a_violated_property_is_reported() -> None:
    with pytest.raises(Broken, match="the sky is blue"):
        expect(0, "the sky is blue")
