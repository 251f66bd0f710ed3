"""YAML as the templates are written in: intrinsic functions are short tags."""

import re
from collections.abc import Mapping
from typing import Any

import yaml


class Dumper(yaml.SafeDumper):
    """Writes a text of several lines as one."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (the base's signature)
        """CloudFormation knows no aliases."""
        return True


def literal(dumper: Dumper, text: str) -> yaml.ScalarNode:
    """Return *text* in block style if it has lines."""
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def short(dumper: Dumper, mapping: Mapping[str, Any]) -> yaml.Node:
    """Return an intrinsic function as its short tag, and any other mapping as it is."""
    [name] = mapping if len(mapping) == 1 else [""]
    if name != "Ref" and not name.startswith("Fn::"):
        return dumper.represent_dict(mapping)
    tag, argument = f"!{name.removeprefix('Fn::')}", mapping[name]
    if isinstance(argument, str):
        style = "|" if "\n" in argument else None
        return dumper.represent_scalar(tag, argument, style=style)
    return dumper.represent_sequence(tag, argument, flow_style=True)


Dumper.add_representer(str, literal)
Dumper.add_representer(dict, short)


def dumped(value: object) -> str:
    """Return *value* as YAML. A tagged text is quoted; a name needs no quotes, and has none."""
    text = yaml.dump(value, Dumper=Dumper, sort_keys=False, default_flow_style=None, width=150)
    return re.sub(r"!Ref '([\w:]+)'", r"!Ref \1", text)
