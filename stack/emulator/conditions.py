"""A condition may join: here a literal `Fn::Join` is resolved before conditions are evaluated.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-conditions.html
"""

from collections.abc import Mapping
from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, stacks  # noqa: F401 (importers)

from stack.emulator.replacing import Wrapper, around

Parameters = Mapping[str, Mapping[str, Any]]


@around(engine, "_evaluate_conditions")
def evaluate(original: Wrapper, template: dict[str, Any], parameters: Parameters) -> Any:
    """Evaluate the conditions of *template* with what they join joined."""
    conditions = joined(template.get("Conditions", {}), parameters)
    return original(template | {"Conditions": conditions}, parameters)


def joined(node: Any, parameters: Parameters) -> Any:
    """Return *node* with the text in place of each join, however deep."""
    match node:
        case {"Fn::Join": [separator, {"Ref": name}]}:
            return separator.join(str(parameters[name]["Value"]).split(","))
        case dict():
            return {name: joined(value, parameters) for name, value in node.items()}
        case list():
            return [joined(value, parameters) for value in node]
    return node
