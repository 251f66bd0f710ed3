"""A rule returns its findings in a stack; there are none in that of the template."""

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import TypeAlias

from tests.template.documents import Template, template
from tests.template.stacks import resolved

Rule: TypeAlias = Callable[[Template], Iterator[str]]


def rules_of(module: ModuleType) -> list[Rule]:
    """Return the rules of *module*: its functions of a stack."""
    functions = inspect.getmembers(module, inspect.isgeneratorfunction)
    return [
        function
        for _, function in functions
        if function.__module__ == module.__name__
        and list(inspect.signature(function).parameters) == ["stack"]
        and inspect.signature(function).return_annotation == Iterator[str]
    ]


@cache
def sound() -> Template:
    """Return the stack of the unchanged template."""
    return deployed(template())


def deployed(source: Template) -> Template:
    """Return the stack of *source* with an alarm topic and a team with a limit."""
    return resolved(source, AlarmTopicArn="arn:topic", Team1="orders", TeamKeys="required")
