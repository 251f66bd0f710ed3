"""Shared values are immutable."""

import ast
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

import token_broker

FOLDER = Path(token_broker.__file__).parent


def frozen_classes() -> list[tuple[str, str]]:
    """Return module and name of each class that is a frozen dataclass, as the source has it."""
    return [
        (".".join(path.relative_to(FOLDER.parent).with_suffix("").parts), node.name)
        for path in sorted(FOLDER.rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and is_said_to_be_frozen(node)
    ]


def is_said_to_be_frozen(node: ast.ClassDef) -> bool:
    keywords = (k for d in node.decorator_list for k in getattr(d, "keywords", ()))
    return "frozen=True" in map(ast.unparse, keywords)


@pytest.mark.parametrize(("module", "name"), frozen_classes())
def test_each_dataclass_is_frozen(module: str, name: str) -> None:
    kind = getattr(import_module(module), name)
    assert is_dataclass(kind)
    assert vars(kind)["__dataclass_params__"].frozen


def test_a_dataclass_that_is_not_frozen_is_detected() -> None:
    @dataclass
    class Loose:
        number: int = 1

    assert not vars(Loose)["__dataclass_params__"].frozen
    assert ("token_broker.exchange", "Request") in frozen_classes()
