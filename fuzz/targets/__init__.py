"""What the coverage-guided fuzzer drives: each target takes bytes, and raises if a promise breaks.

`python -m fuzz.coverage` looks for bytes that break one; `tests/unit/test_fuzz.py` tries those that
were found before, and those that lead far into the code, with every run of the tests.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from fuzz.targets import aws, callers, kept, vendors, words

Target = Callable[[bytes], object]

CORPUS = Path(__file__).parents[1] / "corpus"
"""A folder for each target, a file for each input."""

TARGETS: Mapping[str, Target] = {
    **vendors.ANSWERS,
    "bodies": vendors.compressed,
    "secrets": words.secrets,
    "addresses": words.addresses,
    "variants": words.variants,
    "events": callers.events,
    "fastread": aws.fast_client,
    "items": kept.items,
    "seals": kept.seals,
}
