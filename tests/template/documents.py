"""The template as plain values: CloudFormation's short tags spelt out."""

import copy
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

Template: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]


class Loader(yaml.CSafeLoader):
    """Reads `!Ref X` as `{"Ref": "X"}`, and the other tags likewise."""


def short(loader: Loader, tag: str, node: yaml.Node) -> Template:
    """Return the long form of a tag."""
    name = tag if tag in {"Ref", "Condition"} else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if tag == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short)


def template() -> Template:
    """Return the template of the repository, to be changed at will."""
    return copy.deepcopy(load("template.yaml"))


@cache
def load(name: str) -> Template:
    """Return a YAML file of the repository."""
    return parsed((ROOT / name).read_text())


def parsed(text: str) -> Template:
    """Return the document in a YAML text."""
    document: Template = yaml.load(text, Loader)  # noqa: S506 (safe, plus tags)
    return document
