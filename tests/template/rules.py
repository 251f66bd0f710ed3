"""A rule returns its findings in a stack; there are none in that of the template."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import TypeAlias

from tests.template.documents import Template, template
from tests.template.stacks import resolved
from tests.template.tampering import Mutation

Rule: TypeAlias = Callable[[Template], Iterator[str]]
FaultyTemplates: TypeAlias = Mapping[Rule, Mapping[str, Mutation]]
"""For each rule the templates that break it: what is wrong with one, and what makes it so."""


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


def findings(rule: Rule, mutation: Mutation | None = None) -> list[str]:
    """Return the findings of *rule* in the template, changed by *mutation* if given."""
    if mutation is None:
        return list(rule(sound()))
    source = template()
    mutation(source)
    return list(rule(deployed(source)))


@cache
def sound() -> Template:
    """Return the stack of the unchanged template."""
    return deployed(template())


def deployed(source: Template) -> Template:
    """Return the stack of *source* with an alarm topic and a team with a limit."""
    return resolved(source, AlarmTopicArn="arn:topic", Team1="orders", TeamKeys="required")
