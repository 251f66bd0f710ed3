"""`make operations`: write the generated parts for each flow, the alarms and the dashboard."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from token_broker_operations import alarms, dashboard, parts
from token_broker_operations.flows import FLOWS, Flow
from token_broker_operations.parts import dumped

CLIENT = "layers/token_broker_client/python/token_broker_client"
WRITTEN = (
    *("template.yaml", "team.yaml", "openapi.yaml"),
    *(f"{CLIENT}/request.py", f"{CLIENT}/broker.py", "local/token_broker_fakes/__init__.py"),
)
"""The files with generated parts."""

NESTED = "operations.yaml"
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


def block(resources: Mapping[str, alarms.Resource]) -> str:
    """Return *resources* as YAML of a template, with a blank line between two."""
    blocks = (dumped({name: body}) for name, body in resources.items())
    return "\n".join(re.sub(r"(?m)^(?=.)", "  ", each) for each in blocks)


def written(name: str, text: str, flows: Sequence[Flow] = FLOWS) -> str:
    """Return *text*, the file *name*, with its parts generated for *flows*."""
    return parts.written(name, text, flows, {"guards": partial(block, alarms.guards())})


def nested(flows: Sequence[Flow] = FLOWS) -> str:
    """Return the template of the nested stack: the other alarms, and the dashboard."""
    watched = alarms.watches(flows)
    names = [
        each["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("token-broker-${Stage}-")
        for each in (alarms.guards() | watched).values()
    ]
    shown = dashboard.resource(names, [flow.name for flow in flows])
    return HEAD + block(watched | {"Dashboard": shown})


def main() -> None:
    """Rewrite the generated parts in place."""
    for path in map(Path, WRITTEN):
        path.write_text(written(str(path), path.read_text()))
    Path(NESTED).write_text(nested())


if __name__ == "__main__":
    main()
