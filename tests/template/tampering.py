"""Mutations of a template: each function returns one, which changes the template's source."""

import copy
import json
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.template.documents import Template, load

Mutation: TypeAlias = Callable[[Template], Any]


def properties(source: Template, name: str) -> Any:
    return source["Resources"][name]["Properties"]


def statements(source: Template, name: str) -> Any:
    return properties(source, name)["PolicyDocument"]["Statement"]


def statement(source: Template, name: str, sid: str) -> Any:
    """Return one statement of a policy, or of the key's."""
    found = properties(source, name)
    document = found.get("PolicyDocument") or found["KeyPolicy"]
    return next(each for each in document["Statement"] if each.get("Sid") == sid)


def put(name: str, key: str, value: Any) -> Mutation:
    """Return a mutation that sets a property of a resource."""
    return lambda source: properties(source, name).__setitem__(key, value)


def drop(name: str, key: str) -> Mutation:
    """Return a mutation that takes a property away."""
    return lambda source: properties(source, name).pop(key)


def drop_attribute(name: str, key: str) -> Mutation:
    """Return a mutation that takes an attribute of a resource away."""
    return lambda source: source["Resources"][name].pop(key)


def reword(name: str, sid: str, key: str, value: Any) -> Mutation:
    """Return a mutation that sets a part of a statement."""
    return lambda source: statement(source, name, sid).__setitem__(key, value)


def uncondition(name: str, sid: str, operator: str | None = None) -> Mutation:
    """Return a mutation that takes a condition away, or all of a statement's."""

    def mutate(source: Template) -> None:
        found = statement(source, name, sid)
        (found["Condition"] if operator else found).pop(operator or "Condition")

    return mutate


def grant(name: str, action: Any, resource: str = "*", **rest: Any) -> Mutation:
    """Return a mutation that adds a statement to a policy."""
    added = {"Effect": "Allow", "Action": action, "Resource": resource, **rest}
    return lambda source: statements(source, name).append(added)


def setting(name: str, value: Any) -> Mutation:
    """Return a mutation that changes a setting of the API's methods."""
    return lambda source: properties(source, "TokenBrokerApi")["MethodSettings"][0].__setitem__(
        name, value
    )


def global_setting(name: str, value: Any) -> Mutation:
    """Return a mutation that changes a setting of all functions."""
    return lambda source: source["Globals"]["Function"].__setitem__(name, value)


def default(name: str, value: Any) -> Mutation:
    """Return a mutation that changes the default of a parameter."""
    return lambda source: source["Parameters"][name].__setitem__("Default", value)


def auth(name: str, value: Any) -> Mutation:
    """Return a mutation that changes how the API knows its callers."""
    return lambda source: properties(source, "TokenBrokerApi")["Auth"].__setitem__(name, value)


def open_route(source: Template) -> None:
    """Let one route be called without a signature."""
    event = properties(source, "EditorFunction")["Events"]["Verify"]["Properties"]
    event["Auth"] = {"Authorizer": "NONE"}


def everybody(source: Template) -> None:
    """Let the API's own policy allow everybody."""
    policy = properties(source, "TokenBrokerApi")["Auth"]["ResourcePolicy"]["CustomStatements"]
    policy[0]["Principal"] = "*"


def in_team(mutation: Mutation) -> Mutation:
    """Return a mutation of the nested stack of a team."""
    return within("Team1Stack", "team.yaml", mutation)


def in_operations(mutation: Mutation) -> Mutation:
    """Return a mutation of the nested stack of alarms."""
    return within("Operations", "operations.yaml", mutation)


def within(name: str, file: str, mutation: Mutation) -> Mutation:
    """Return a mutation of a nested stack."""

    def mutate(source: Template) -> None:
        nested = copy.deepcopy(load(file))
        mutation(nested)
        properties(source, name)["TemplateURL"] = json.dumps(nested)

    return mutate


def pattern(source: Template, event: str) -> Any:
    """Return the event pattern of a rule of the vntana function."""
    rule = properties(source, "VntanaFunction")["Events"][event]["Properties"]
    return rule["Pattern"]["detail"]
