"""Evaluates the part of IAM's policy language that the template uses.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
What the template does not use is an error here, not a guess.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Statement: TypeAlias = Mapping[str, Any]
Context: TypeAlias = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to AWS: action, resource and context keys."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


def allows(statements: Iterable[Statement], ask: Ask) -> bool:
    """Say whether *statements* together allow *ask*: one allows it, and none denies it."""
    effects = {statement["Effect"] for statement in statements if concerns(statement, ask)}
    return effects == {"Allow"}


def concerns(statement: Statement, ask: Ask) -> bool:
    """Say whether *statement* is about *ask*."""
    assert not statement.keys() & {"NotAction", "NotResource", "NotPrincipal"}
    return (
        any(like(action, ask.action, fold=True) for action in many(statement["Action"]))
        and any(like(with_tags(each, ask), ask.resource) for each in many(statement["Resource"]))
        and all(
            holds(operator, key, many(values), ask.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def with_tags(resource: str, ask: Ask) -> str:
    """Return *resource* with its variables put in; one that is not known matches nothing."""

    def value(found: "re.Match[str]") -> str:
        return str(ask.context.get(found[1], "\0"))

    return re.sub(r"\$\{([^}]+)\}", value, resource)


def holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    """Say whether one condition holds."""
    folded = {name.lower(): value for name, value in context.items()}
    found = folded.get(key.lower())
    if operator == "Null":
        return (found is None) is (wanted == ["true"])
    if operator.startswith("ForAllValues:"):
        every = many(found) if found is not None else []
        return all(compare(operator.partition(":")[2], wanted, value) for value in every)
    if found is None:
        return operator.endswith("IfExists") or operator.startswith("StringNot")
    assert isinstance(found, str), f"{key} has several values: {operator} needs a set operator"
    return compare(operator.removesuffix("IfExists"), wanted, found)


def compare(operator: str, wanted: list[str], found: str) -> bool:
    """Say whether *found* is as one of *wanted*, in the operator's sense."""
    if operator == "StringNotEquals":
        return found not in wanted
    return any(OPERATORS[operator](pattern, found) for pattern in wanted)


def like(pattern: str, text: str, *, fold: bool = False) -> bool:
    """Say whether *text* matches *pattern*, where ``*`` is any text and ``?`` any character."""
    parts = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return bool(re.fullmatch(parts, text, re.DOTALL | (re.IGNORECASE if fold else 0)))


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringLike": like,
    "ArnEquals": like,
    "ArnLike": like,
}


def many(value: Any) -> list[Any]:
    """Return a list, of one where *value* is one."""
    return value if isinstance(value, list) else [value]
