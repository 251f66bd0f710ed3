"""Permissions: each is removed by itself, and a call fails without it."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from stack.report import Report
from stack.scenario.policy_calls import POLICIES, SUCCESSES, Outcomes, PolicyCalls
from stack.settings import FLOWS
from stack.system import System

Document = dict[str, Any]

NOT_ENFORCED: Mapping[str, str] = {
    "TheTableAtRest": "the emulator decrypts no table by a key",
    "TableAtRest": "the emulator decrypts no table by a key",
    "TableService": "the emulator's DynamoDB checks no key policy",
    "ItsLogs": "the emulator writes logs without a permission",
    "Logs": "the emulator encrypts no logs by a key",
    "Administration": "for administrators: no call of the broker needs it",
    "the API without execute-api:/*": "within an account, a caller's own policy is enough",
    "vendorlink's role without ItsItems dynamodb:BatchGetItem": "it has one item for a connection",
}
"""Why no call fails without a permission, by its statement's Sid or the check's name."""

PLACEHOLDER: Mapping[str, str] = {
    "Effect": "Allow",
    "Action": "sts:GetCallerIdentity",
    "Resource": "*",
}
"""Replaces a removed statement, for a policy needs at least one."""


class Policy(NamedTuple):
    """A deployed policy: its name, its document, how to change it, and the calls that need it."""

    name: str
    document: Document
    write: Callable[[str], None]
    calls: Callable[[], Outcomes]


class Permission(NamedTuple):
    """One permission of a policy, and the document without it."""

    name: str
    sid: str
    rest: Document


def run(system: System, report: Report) -> None:
    """Remove each permission, make the calls that need it, and restore it."""
    for policy in deployed(system):
        with report.check(f"{policy.name}: unchanged") as check:
            baseline = dict(policy.calls())
            failures = {
                call: result for call, result in baseline.items() if result not in SUCCESSES
            }
            check.equals(failures, {})
        for permission in permissions(policy.document):
            check_without(report, policy, permission, baseline)


def check_without(
    report: Report, policy: Policy, permission: Permission, baseline: Mapping[str, str]
) -> None:
    """Check that a call fails without *permission*."""
    name = f"{policy.name} without {permission.name}"
    reason = NOT_ENFORCED.get(permission.sid) or NOT_ENFORCED.get(name)
    with report.check(name) as check:
        policy.write(json.dumps(permission.rest))
        try:
            failures = (
                f"{call}: {result}" for call, result in policy.calls() if result != baseline[call]
            )
            first = next(failures, "no call fails")
        finally:
            policy.write(json.dumps(policy.document))
        if reason and first == "no call fails":
            check.skip(reason)
        else:
            check.differs(first, "no call fails")


def permissions(document: Document) -> Iterator[Permission]:
    """Yield each action and resource of a policy, or a statement that has one of each."""
    for index, statement in enumerate(document["Statement"]):
        sid = statement.get("Sid", "")
        parts = [
            (member, part)
            for member in ("Action", "Resource")
            if isinstance(statement.get(member), list) and len(statement[member]) > 1
            for part in statement[member]
        ]
        if sid in NOT_ENFORCED or not parts:
            rest = copy.deepcopy(document)
            rest["Statement"][index] = PLACEHOLDER
            yield Permission(sid or short(statement["Resource"]), sid, rest)
            continue
        for member, part in parts:
            rest = copy.deepcopy(document)
            rest["Statement"][index][member].remove(part)
            yield Permission(" ".join((sid, short(part))).strip(), sid, rest)


def short(part: Any) -> str:
    """Return an action, or the end of a resource's ARN."""
    text = part if isinstance(part, str) else part[0]
    end = text.rpartition(":function:")[2]
    return end.split("/", 2)[2] if ":execute-api:" in text else end


def deployed(system: System) -> Iterator[Policy]:
    """Yield each policy of the stack that a call of the broker needs."""
    calls = PolicyCalls(system)
    iam = system.account.iam
    for flow in FLOWS:
        role = system.role(flow).rpartition("/")[2]
        inline = iam.get_role_policy(RoleName=role, PolicyName=flow)["PolicyDocument"]

        def write(text: str, role: str = role, flow: str = flow) -> None:
            iam.put_role_policy(RoleName=role, PolicyName=flow, PolicyDocument=text)

        yield Policy(f"{flow}'s role", decoded(inline), write, partial(calls.flow, flow))
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    (common,) = (policy["PolicyArn"] for policy in attached)
    yield managed(system, "all roles", common, calls.latch)
    yield key_policy(system, calls)
    yield api_policy(system, calls)
    for name in POLICIES:
        yield managed(system, name, system.arn(name), partial(calls.caller, name))


def managed(system: System, name: str, arn: str, calls: Callable[[], Outcomes]) -> Policy:
    """Return a managed policy, which is changed by a new version."""
    iam = system.account.iam
    first = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=first)["PolicyVersion"]["Document"]

    def write(text: str) -> None:
        before = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
        iam.delete_policy_version(PolicyArn=arn, VersionId=before)

    return Policy(name, decoded(document), write, calls)


def key_policy(system: System, calls: PolicyCalls) -> Policy:
    """Return the policy of the key that seals the tokens."""
    kms = system.account.client("kms")
    key = {"KeyId": system.outputs["KeyArn"], "PolicyName": "default"}

    def write(text: str) -> None:
        kms.put_key_policy(**key, Policy=text)

    document = decoded(kms.get_key_policy(**key)["Policy"])
    return Policy("the key", document, write, calls.keys)


def api_policy(system: System, calls: PolicyCalls) -> Policy:
    """Return the policy of the API."""
    gateway = system.account.client("apigateway")

    def write(text: str) -> None:
        change = {"op": "replace", "path": "/policy", "value": text}
        gateway.update_rest_api(restApiId=system.api, patchOperations=[change])

    text = gateway.get_rest_api(restApiId=system.api)["policy"].replace('\\"', '"')
    return Policy("the API", decoded(text), write, partial(calls.caller, "CallVntana"))


def decoded(document: str | Sequence[Any] | Document) -> Document:
    """Return a policy as a dictionary: AWS answers with text or with a mapping."""
    policy: Document = json.loads(document) if isinstance(document, str) else dict(document)  # type: ignore[arg-type]
    return policy
