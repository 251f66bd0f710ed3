"""`make operations`: write the alarms and the dashboard into the templates."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from token_broker_operations import alarms, dashboard

TEMPLATE = Path("template.yaml")
NESTED = Path("operations.yaml")
HEAD = """\
# Made by `make operations`.
AWSTemplateFormatVersion: "2010-09-09"
Description: >-
  Token Broker: alarms and dashboard. docs/operations.md says what to do when one rings. The alarms
  that take a deployment back are in template.yaml, which makes this stack.

Parameters:
  Stage:
    Type: String
    Description: The broker's stage.
  AlarmTopicArn:
    Type: String
    Description: An SNS topic that is told of alarms. Empty, they are only shown.

Conditions:
  Alarmed: !Not [!Equals [!Ref AlarmTopicArn, ""]]

Resources:
"""
BLOCK = re.compile(
    r"(?P<head>  # --- what takes a deployment back: [^\n]*\n\n).*?"
    r"(?P<foot>  # --- end of what is made)",
    re.DOTALL,
)


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


def block(resources: Mapping[str, alarms.Resource]) -> str:
    """Return *resources* as they stand in a template, with a blank line between two."""
    blocks = (dumped({name: body}) for name, body in resources.items())
    return "\n".join(re.sub(r"(?m)^(?=.)", "  ", each) for each in blocks)


def written(template: str) -> str:
    """Return *template* with the block in it as it should be."""
    guards = block(alarms.guards())
    return BLOCK.sub(lambda found: found["head"] + guards + "\n" + found["foot"], template)


def nested() -> str:
    """Return the template of the stack within the stack: the other alarms, and the dashboard."""
    watched = alarms.watches()
    names = [
        each["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("token-broker-${Stage}-")
        for each in (alarms.guards() | watched).values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    ]
    return HEAD + block(watched | {"Dashboard": dashboard.resource(names)})


def main() -> None:
    """Rewrite the block in place, and the nested template."""
    TEMPLATE.write_text(written(TEMPLATE.read_text()))
    NESTED.write_text(nested())


if __name__ == "__main__":
    main()
