"""The stack of the translated template: parameters, conditions and references resolved."""

import json
import re
from functools import partial
from typing import Any

from tests.template.documents import Template, load
from tests.template.translation import REGION, STAGE, translated

ACCOUNT = "123456789012"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "token-broker-prod",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/token-broker-prod/id",
}
NOTHING = object()
"""AWS::NoValue: what holds it is left out."""

ARNS = {
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{TableName}",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{id}",
    "AWS::IAM::Role": "iam::{account}:role/{id}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{LogGroupName}:*",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{Name}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{FunctionName}",
}

NAMES = {"AWS::DynamoDB::Table": "TableName", "AWS::Events::EventBus": "Name"}
"""Where a reference is a property of the resource."""


def resolved(template: Template, **parameters: str) -> Template:
    """Return the resources of the stack that *template* gives, without a reference left."""
    return Stack(template, parameters).resources()


class Stack:
    """A translated template and the parameters it is deployed with."""

    def __init__(self, template: Template, parameters: dict[str, str]) -> None:
        self._template = translated(template, **parameters)
        declared = template["Parameters"].items()
        values = {name: each.get("Default", "") for name, each in declared}
        given = values | {"Stage": STAGE} | parameters
        self._values = PSEUDO | {
            name: given[name].split(",") if each["Type"] == "CommaDelimitedList" else given[name]
            for name, each in declared
        }

    def resources(self) -> Template:
        """Return the resources whose condition holds, and those of stacks within the stack."""
        own = {
            name: self.value(resource)
            for name, resource in self._template["Resources"].items()
            if self.holds(resource.get("Condition"))
        }
        nested = {
            f"{name}.{inner}": resource
            for name, each in own.items()
            if each["Type"] == "AWS::CloudFormation::Stack"
            for inner, resource in within(each["Properties"]).items()
        }
        return own | nested

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of the stack."""
        return {
            name: self.value(each["Value"])
            for name, each in self._template["Outputs"].items()
            if self.holds(each.get("Condition"))
        }

    def refusals(self) -> list[str]:
        """Return the messages of the violated rules of the template."""
        return [
            assertion["AssertDescription"]
            for rule in self._template["Rules"].values()
            if self.value(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.value(assertion["Assert"])
        ]

    def chosen_template(self) -> Template:
        """Return the translated template with its conditions decided, and its references left."""
        resources = {
            name: self.decided({key: part for key, part in each.items() if key != "Condition"})
            for name, each in self._template["Resources"].items()
            if self.holds(each.get("Condition"))
        }
        return {"Parameters": self._template["Parameters"], "Resources": resources}

    def decided(self, node: Any) -> Any:
        """Return *node* with each condition's choice in its place."""
        if isinstance(node, list):
            return [value for value in map(self.decided, node) if value is not NOTHING]
        if not isinstance(node, dict):
            return node
        if "Fn::If" in node:
            condition, then, otherwise = node["Fn::If"]
            return self.decided(then if self.holds(condition) else otherwise)
        if node == {"Ref": "AWS::NoValue"}:
            return NOTHING
        pairs = ((name, self.decided(value)) for name, value in node.items())
        return {name: value for name, value in pairs if value is not NOTHING}

    def holds(self, condition: str | None) -> bool:
        """Say whether *condition* holds; no condition always does."""
        return condition is None or bool(self.value(self._template["Conditions"][condition]))

    def value(self, node: Any) -> Any:
        """Return *node* with its references resolved."""
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(name, argument)] = node.items()
            if name in FUNCTIONS:
                return FUNCTIONS[name](self, argument)
        pairs = ((name, self.value(value)) for name, value in node.items())
        return {name: value for name, value in pairs if value is not NOTHING}

    def ref(self, name: str) -> Any:
        """Return a parameter's value, or the name of a resource."""
        if name == "AWS::NoValue":
            return NOTHING
        if name in self._values:
            return self._values[name]
        resource = self._template["Resources"][name]
        named = NAMES.get(resource["Type"])
        return self.value(resource["Properties"][named]) if named else f"<{name}>"

    def attribute(self, path: list[str]) -> str:
        """Return an attribute of a resource: its ARN as it will be, or a name for it."""
        resource = self._template["Resources"][path[0]]
        form = ARNS.get(resource["Type"]) if path[1] == "Arn" else None
        if form is None:
            return f"<{'.'.join(path)}>"
        properties = self.value(resource.get("Properties", {}))
        return "arn:aws:" + form.format_map(
            {"region": REGION, "account": ACCOUNT, "id": path[0]} | properties
        )

    def substituted(self, argument: Any) -> str:
        """Return a text with its ``${…}`` put in."""
        text, own = (argument, {}) if isinstance(argument, str) else argument
        known = {name: self.value(value) for name, value in own.items()}
        return re.sub(r"\$\{([^}]+)\}", partial(self._placeholder, known), text)

    def _placeholder(self, known: dict[str, Any], found: "re.Match[str]") -> str:
        name = found[1]
        if name.startswith("!"):
            return f"${{{name[1:]}}}"
        if name in known:
            return str(known[name])
        return str(self.attribute(name.split(".", 1)) if "." in name else self.ref(name))

    def chosen(self, argument: list[Any]) -> Any:
        """Return the branch that a condition selects."""
        condition, then, otherwise = argument
        return self.value(then if self.holds(condition) else otherwise)


def within(properties: Template) -> Template:
    """Return the resources of a nested stack, from a file or from JSON."""
    found = properties["TemplateURL"]
    nested = json.loads(found) if found.startswith("{") else load(found)
    return resolved(nested, **properties["Parameters"])


FUNCTIONS: dict[str, Any] = {
    "Ref": Stack.ref,
    "Condition": Stack.holds,
    "Fn::GetAtt": Stack.attribute,
    "Fn::Sub": Stack.substituted,
    "Fn::If": Stack.chosen,
    "Fn::Equals": lambda stack, pair: str(stack.value(pair[0])) == str(stack.value(pair[1])),
    "Fn::Not": lambda stack, one: not stack.value(one[0]),
    "Fn::And": lambda stack, all_of: all(map(stack.value, all_of)),
    "Fn::EachMemberEquals": lambda stack, pair: set(stack.value(pair[0])) == {pair[1]},
    "Fn::Join": lambda stack, pair: pair[0].join(stack.value(pair[1])),
}
