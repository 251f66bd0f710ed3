"""Targets of the coverage-guided fuzzer: each takes bytes, and raises if a property is broken.

`python -m fuzz.coverage` searches for such bytes. `tests/unit/test_fuzz.py` runs the corpus:
earlier findings, and inputs with high coverage.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from fuzz.targets import aws, callers, inputs, stored, vendors

Target = Callable[[bytes], object]

CORPUS = Path(__file__).parents[1] / "corpus"
"""A folder for each target, a file for each input."""

TARGETS: Mapping[str, Target] = {
    **vendors.ANSWERS,
    "bodies": vendors.compressed,
    "secrets": inputs.secrets,
    "addresses": inputs.addresses,
    "variants": inputs.variants,
    "events": callers.events,
    "fastread": aws.fast_client,
    "items": stored.items,
    "seals": stored.seals,
}
