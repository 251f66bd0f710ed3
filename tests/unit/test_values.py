"""Shared values are immutable."""

from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

import token_broker

FOLDER = Path(token_broker.__file__).parent
MODULES = [
    ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
    for path in sorted(FOLDER.rglob("*.py"))
]
OF_ONE_PROBE = {"Observed", "_Session"}
"""Dataclasses that a probe changes while it runs; no other thread has them."""


@pytest.mark.parametrize("module", MODULES)
def test_each_dataclass_is_frozen(module: str) -> None:
    for kind in vars(import_module(module)).values():
        if isinstance(kind, type) and is_dataclass(kind) and kind.__name__ not in OF_ONE_PROBE:
            assert vars(kind)["__dataclass_params__"].frozen, kind
