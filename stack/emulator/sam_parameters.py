"""SAM receives the values of the stack's parameters; the emulator passes the defaults only.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-macros-author.html
(`templateParameterValues`)
"""

import threading
from collections.abc import Mapping
from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers  # noqa: F401 (importers)
from samtranslator.translator import transform

from stack.emulator.patching import Function, patch

current = threading.local()


@patch(engine, "_apply_transforms")
def apply_transforms(
    original: Function, template: dict[str, Any], provided: Any = None, previous: Any = None
) -> Any:
    """Keep the values while the template is transformed."""
    values = engine._transform_parameters(template, provided, previous)
    current.values = {name: typed(template, name, value) for name, value in values.items()}
    try:
        return original(template, provided, previous)
    finally:
        del current.values


@patch(transform, "transform")
def transform_with_values(
    original: Function, template: dict[str, Any], values: Mapping[str, Any], *rest: Any
) -> Any:
    """Transform *template* by SAM with the values of its parameters."""
    return original(template, {**getattr(current, "values", {}), **values}, *rest)


def typed(template: dict[str, Any], name: str, value: str) -> str | list[str]:
    """Return a parameter's value, split if it is a list."""
    if template["Parameters"].get(name, {}).get("Type") != "CommaDelimitedList":
        return value
    return [item.strip() for item in value.split(",")]
