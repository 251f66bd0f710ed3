"""`Fn::Join` in a condition: it is resolved before the conditions are evaluated.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-conditions.html
"""

from collections.abc import Mapping
from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, stacks  # noqa: F401 (importers)

from stack.emulator.patching import Function, patch

Parameters = Mapping[str, Mapping[str, Any]]


@patch(engine, "_evaluate_conditions")
def evaluate(original: Function, template: dict[str, Any], parameters: Parameters) -> Any:
    """Evaluate the conditions of *template* after their joins."""
    conditions = resolve_joins(template.get("Conditions", {}), parameters)
    return original(template | {"Conditions": conditions}, parameters)


def resolve_joins(node: Any, parameters: Parameters) -> Any:
    """Return *node* with each join replaced by its text, at any depth."""
    match node:
        case {"Fn::Join": [separator, {"Ref": name}]}:
            return separator.join(str(parameters[name]["Value"]).split(","))
        case dict():
            return {name: resolve_joins(value, parameters) for name, value in node.items()}
        case list():
            return [resolve_joins(value, parameters) for value in node]
    return node
