"""The subjects of the rules: each flow's function, its role, and its requests to AWS."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.template.documents import Template
from tests.template.iam import Ask, Statement, allows, many
from tests.template.stacks import ACCOUNT
from tests.template.translation import REGION
from token_broker_operations import flows

FLOWS = tuple(flow.name for flow in flows.FLOWS)
TABLE = "token-broker-prod"
TABLE_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}"
BUS_ARN = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/token-broker-prod"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/TokenKey"


def others(flow: str) -> list[str]:
    """Return the other flows."""
    return [each for each in FLOWS if each != flow]


def of_type(stack: Template, kind: str) -> dict[str, Any]:
    """Return the properties of the stack's resources of *kind*, by their names."""
    return {
        name: each.get("Properties", {})
        for name, each in stack.items()
        if each["Type"] == f"AWS::{kind}"
    }


def function_arn(flow: str) -> str:
    """Return the ARN of the function."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:token-broker-prod-{flow}"


def secret(path: str) -> str:
    """Return the ARN of a secret, with the six characters that AWS adds."""
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{path}-AbCdEf"


def by_code(flow: str) -> dict[str, str]:
    """Return the context keys that Lambda adds to a function's requests to AWS."""
    return {"lambda:SourceFunctionArn": function_arn(flow)}


def own_policy(stack: Template, flow: str) -> list[Statement]:
    """Return every statement that is attached to the role of *flow*."""
    role = f"{flow.capitalize()}Role"
    properties = stack[role]["Properties"]
    assert "Policies" not in properties
    attached = [
        policy["PolicyDocument"]
        for policy in of_type(stack, "IAM::Policy").values()
        if f"<{role}>" in policy["Roles"]
    ]
    managed = [
        stack[name.strip("<>")]["Properties"]["PolicyDocument"]
        for name in properties.get("ManagedPolicyArns", [])
    ]
    return [each for document in attached + managed for each in document["Statement"]]


class Subject(NamedTuple):
    """Who asks AWS: the statements of its policies, and the context of its requests."""

    name: str
    statements: list[Statement]
    context: Mapping[str, str]

    def may(self, action: str, resource: str, **context: Any) -> bool:
        """Say whether this subject may do *action* to *resource*."""
        return allows(self.statements, Ask(action, resource, {**self.context, **context}))

    def deviations(self, action: str, wanted: Mapping[str, bool], **context: Any) -> Iterator[str]:
        """Yield each resource for which *action* is not allowed or refused as *wanted*."""
        for resource, is_right in wanted.items():
            if self.may(action, resource, **context) is not is_right:
                verb = "may not" if is_right else "may"
                yield f"{self.name} {verb} {action} {resource} with {context}"


def function(stack: Template, flow: str) -> Subject:
    """Return the function of *flow*."""
    return Subject(flow, own_policy(stack, flow), by_code(flow))


def holder(stack: Template, policy: str) -> Subject:
    """Return a principal that has a managed policy of the stack."""
    return Subject(policy, stack[policy]["Properties"]["PolicyDocument"]["Statement"], {})


def may(stack: Template, flow: str, action: str, resource: str, **context: Any) -> bool:
    """Say whether the function of *flow* may do *action* to *resource*."""
    return function(stack, flow).may(action, resource, **context)


def opinions(stack: Template, flow: str, action: str, context: dict[str, str]) -> tuple[bool, bool]:
    """Return the decisions of the function's policy and of the key's; both have to allow."""
    role = f"arn:aws:iam::{ACCOUNT}:role/{flow.capitalize()}Role"
    ask = Ask(action, KEY_ARN, {"aws:PrincipalArn": role} | by_code(flow) | context)
    return allows(own_policy(stack, flow), ask), allows(key_policy(stack), ask)


def key_policy(stack: Template) -> list[Statement]:
    """Return the statements of the key's policy that are about principals of the account."""
    statements = stack["TokenKey"]["Properties"]["KeyPolicy"]["Statement"]
    root = f"arn:aws:iam::{ACCOUNT}:root"
    return [each for each in statements if root in many(each["Principal"].get("AWS", []))]


def encrypted(flow: str, table: str = TABLE) -> dict[str, str]:
    """Return the encryption context of a token of *flow*."""
    context = {"table": table, "connection": f"{flow}#acme", "variant": "-", "generation": "1"}
    return {f"kms:EncryptionContext:{name}": value for name, value in context.items()}


def identity_statements(stack: Template) -> Iterator[tuple[str, Statement]]:
    """Yield every statement of every policy that is attached to somebody."""
    for kind in ("IAM::Policy", "IAM::ManagedPolicy"):
        for name, policy in of_type(stack, kind).items():
            yield from ((name, each) for each in policy["PolicyDocument"]["Statement"])


def text(value: Any) -> str:
    """Return *value* as JSON, to look for words in."""
    return json.dumps(value, sort_keys=True)
