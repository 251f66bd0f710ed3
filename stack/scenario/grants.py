"""Grants are taken away one at a time: each is missed by a call, or it is said why not."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from stack.places import FLOWS, NAME
from stack.scenario.probes import AS_USUAL, POLICIES, Outcomes, Probes
from stack.system import System
from stack.table import Table

Document = dict[str, Any]

UNMISSED: Mapping[str, str] = {
    "TheTableAtRest": "the emulator decrypts no table by a key",
    "TableAtRest": "the emulator decrypts no table by a key",
    "TableService": "the emulator's DynamoDB looks at no key",
    "ItsLogs": "the emulator writes logs without asking",
    "Logs": "the emulator encrypts no logs by a key",
    "Administration": "for administrators: no call of the broker's needs it",
    "the API without execute-api:/*": "within an account, a caller's own policy is enough",
    "vendorlink's role without ItsItems dynamodb:BatchGetItem": "it has one item for a connection",
}
"""Why no call misses a grant here: by its statement's name, or by the row's."""

NOTHING: Mapping[str, str] = {
    "Effect": "Allow",
    "Action": "sts:GetCallerIdentity",
    "Resource": "*",
}
"""In place of a statement: a policy has one at least."""


class Policy(NamedTuple):
    """A policy that is deployed: whose it is, what it says, how it is changed, who would notice."""

    name: str
    document: Document
    write: Callable[[str], None]
    probe: Callable[[], Outcomes]


class Grant(NamedTuple):
    """One thing that a policy grants, and the policy without it."""

    name: str
    sid: str
    rest: Document


def play(system: System, table: Table) -> None:
    """Take each grant away, call, and give it back."""
    for policy in deployed(system):
        with table.row(f"{policy.name}: with all of it") as row:
            usual = dict(policy.probe())
            row.sees({name: told for name, told in usual.items() if told not in AS_USUAL}, {})
        for grant in grants(policy.document):
            missing(table, policy, grant, usual)


def missing(table: Table, policy: Policy, grant: Grant, usual: Mapping[str, str]) -> None:
    """See that a call misses *grant*."""
    name = f"{policy.name} without {grant.name}"
    why_not = UNMISSED.get(grant.sid) or UNMISSED.get(name)
    with table.row(name) as row:
        policy.write(json.dumps(grant.rest))
        try:
            tried = (f"{told}: {found}" for told, found in policy.probe() if found != usual[told])
            first = next(tried, "all as usual")
        finally:
            policy.write(json.dumps(policy.document))
        if why_not and first == "all as usual":
            row.is_unseen(why_not)
        else:
            row.sees_other(first, "all as usual")


def grants(document: Document) -> Iterator[Grant]:
    """Yield each grant of a policy: an action, a resource, or a statement that has one of each."""
    for index, statement in enumerate(document["Statement"]):
        sid = statement.get("Sid", "")
        parts = [
            (member, part)
            for member in ("Action", "Resource")
            if isinstance(statement.get(member), list) and len(statement[member]) > 1
            for part in statement[member]
        ]
        if sid in UNMISSED or not parts:
            rest = copy.deepcopy(document)
            rest["Statement"][index] = NOTHING
            yield Grant(sid or short(statement["Resource"]), sid, rest)
            continue
        for member, part in parts:
            rest = copy.deepcopy(document)
            rest["Statement"][index][member].remove(part)
            yield Grant(" ".join((sid, short(part))).strip(), sid, rest)


def short(part: Any) -> str:
    """Return an action or the end of a resource's ARN, as it is shown."""
    text = part if isinstance(part, str) else part[0]
    end = text.rpartition(":function:")[2]
    return end.split("/", 2)[2] if ":execute-api:" in text else end


def deployed(system: System) -> Iterator[Policy]:
    """Yield every policy of the stack that a call of the broker's depends on."""
    probes = Probes(system)
    iam = system.account.iam
    lambdas = system.account.client("lambda")
    for flow in FLOWS:
        found = lambdas.get_function_configuration(FunctionName=f"{NAME}-{flow}")
        role = found["Role"].rpartition("/")[2]
        inline = iam.get_role_policy(RoleName=role, PolicyName=flow)["PolicyDocument"]

        def write(text: str, role: str = role, flow: str = flow) -> None:
            iam.put_role_policy(RoleName=role, PolicyName=flow, PolicyDocument=text)

        yield Policy(f"{flow}'s role", decoded(inline), write, partial(probes.flow, flow))
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    (common,) = (one["PolicyArn"] for one in attached)
    yield managed(system, "all roles", common, probes.latch)
    yield key_policy(system, probes)
    yield api_policy(system, probes)
    for name in POLICIES:
        yield managed(system, name, system.arn(name), partial(probes.caller, name))


def managed(system: System, name: str, arn: str, probe: Callable[[], Outcomes]) -> Policy:
    """Return a managed policy, which changes by a new version."""
    iam = system.account.iam
    first = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=first)["PolicyVersion"]["Document"]

    def write(text: str) -> None:
        before = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
        iam.delete_policy_version(PolicyArn=arn, VersionId=before)

    return Policy(name, decoded(document), write, probe)


def key_policy(system: System, probes: Probes) -> Policy:
    """Return the policy of the key that the tokens are sealed by."""
    kms = system.account.client("kms")
    key = {"KeyId": system.outputs["KeyArn"], "PolicyName": "default"}

    def write(text: str) -> None:
        kms.put_key_policy(**key, Policy=text)

    document = decoded(kms.get_key_policy(**key)["Policy"])
    return Policy("the key", document, write, probes.keys)


def api_policy(system: System, probes: Probes) -> Policy:
    """Return the policy of the API."""
    gateway = system.account.client("apigateway")

    def write(text: str) -> None:
        change = {"op": "replace", "path": "/policy", "value": text}
        gateway.update_rest_api(restApiId=system.api, patchOperations=[change])

    text = gateway.get_rest_api(restApiId=system.api)["policy"].replace('\\"', '"')
    return Policy("the API", decoded(text), write, partial(probes.caller, "CallVntana"))


def decoded(document: str | Sequence[Any] | Document) -> Document:
    """Return a policy, however it was told."""
    found: Document = json.loads(document) if isinstance(document, str) else dict(document)  # type: ignore[arg-type]
    return found
