"""SAM is told the values of the stack's parameters; the emulator tells it the defaults alone.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-macros-author.html
(`templateParameterValues`)
"""

import threading
from collections.abc import Mapping
from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers  # noqa: F401 (importers)
from samtranslator.translator import transform

from stack.emulator.replacing import Wrapper, around

current = threading.local()


@around(engine, "_apply_transforms")
def apply_transforms(
    original: Wrapper, template: dict[str, Any], provided: Any = None, previous: Any = None
) -> Any:
    """Remember the values for as long as the template is transformed."""
    values = engine._transform_parameters(template, provided, previous)
    current.values = {name: typed(template, name, value) for name, value in values.items()}
    try:
        return original(template, provided, previous)
    finally:
        del current.values


@around(transform, "transform")
def transformed(
    original: Wrapper, template: dict[str, Any], values: Mapping[str, Any], *rest: Any
) -> Any:
    """Have SAM transform *template* by the values of its parameters."""
    return original(template, {**getattr(current, "values", {}), **values}, *rest)


def typed(template: dict[str, Any], name: str, value: str) -> str | list[str]:
    """Return a parameter's value: a list is a list."""
    if template["Parameters"].get(name, {}).get("Type") != "CommaDelimitedList":
        return value
    return [item.strip() for item in value.split(",")]
