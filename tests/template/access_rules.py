"""Rules about permissions. Each returns its findings in a stack."""

import re
from collections.abc import Iterator

from tests.template.documents import Template
from tests.template.iam import Ask, allows, many
from tests.template.stacks import ACCOUNT
from tests.template.subjects import (
    BUS_ARN,
    FLOWS,
    KEY_ARN,
    TABLE,
    TABLE_ARN,
    Subject,
    by_code,
    encrypted,
    function,
    function_arn,
    holder,
    identity_statements,
    key_policy,
    of_type,
    opinions,
    others,
    secret,
)
from tests.template.translation import REGION

STACK_ARN = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/token-broker-prod/id"
ITEM_ACTIONS = ("GetItem", "BatchGetItem", "Query", "UpdateItem")
SECRET_ACTIONS = ("GetSecretValue", "DescribeSecret")
SERVICES = (f"logs.{REGION}.amazonaws.com", "dynamodb.amazonaws.com")
"""The services in the key's policy; DynamoDB has a rule of its own."""

VIA_DYNAMODB = {
    "kms:ViaService": f"dynamodb.{REGION}.amazonaws.com",
    "kms:CallerAccount": ACCOUNT,
}
NAME_OF_TABLE = "kms:EncryptionContext:aws:dynamodb:tableName"
ACTIONS_FOR_CALLERS = ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey")
"""The actions of DynamoDB on the key on behalf of the table's users."""

INTERFACES = (
    "ec2:AssignPrivateIpAddresses ec2:CreateNetworkInterface ec2:DeleteNetworkInterface "
    "ec2:DescribeNetworkInterfaces ec2:DescribeSubnets ec2:UnassignPrivateIpAddresses"
)
KEYS = "dynamodb:LeadingKeys"
INVOKE, INVOKE_FUNCTION = "execute-api:Invoke", "lambda:InvokeFunction"
LOOK_UP = "cloudformation:DescribeStacks"
ACTIONS = {
    "FlowPolicy ItsItems": " ".join(f"dynamodb:{action}" for action in ITEM_ACTIONS),
    "FlowPolicy ItsTokens": "kms:Decrypt kms:Encrypt",
    "FlowPolicy TheTableAtRest": "kms:Decrypt",
    "FlowPolicy ItsSecrets": " ".join(f"secretsmanager:{action}" for action in SECRET_ACTIONS),
    "FlowPolicy Itself": INVOKE_FUNCTION,
    "FlowPolicy ItsLogs": "logs:CreateLogStream logs:PutLogEvents",
    "FunctionPolicy Announce": "events:PutEvents",
    "FunctionPolicy TheSecretsKey": "kms:Decrypt",
    "FunctionPolicy Traces": "xray:PutTelemetryRecords xray:PutTraceSegments",
    "FunctionPolicy NetworkInterfaces": INTERFACES,
    "FunctionPolicy NoInterfacesByTheCode": INTERFACES,
    "CallFlow": INVOKE,
    "CallFlowConnection": INVOKE,
    "InvokeFlow": INVOKE_FUNCTION,
    "Operate StateAndForget": INVOKE,
    "Operate Names": "secretsmanager:ListSecrets",
    "Operate WhereTheApiIs": LOOK_UP,
    "Operate TheTable": "dynamodb:DescribeTable dynamodb:DescribeTimeToLive",
    "Operate TheKey": "kms:DescribeKey",
    "Hold HoldAndLift": INVOKE,
    "Hold WhereTheApiIs": LOOK_UP,
    "Probe ProbeConnections": INVOKE,
    "Probe WhereTheApiIs": LOOK_UP,
    "Connect ItsSecrets": "secretsmanager:CreateSecret secretsmanager:GetSecretValue "
    "secretsmanager:PutSecretValue",
    "Connect TheSecretsKey": "kms:Decrypt kms:GenerateDataKey",
}
"""The actions of each statement, by its policy, in which a flow is called Flow, and its id."""

WITHOUT_RESOURCE = {"Traces", "NetworkInterfaces", "Names"}
"""Statements about actions without resource-level permissions."""


def own_secrets_only(stack: Template) -> Iterator[str]:
    """A function reads its own flow's secrets of its own stage."""
    for flow in FLOWS:
        foreign = [f"prod/{other}/acme" for other in others(flow)]
        foreign += [f"dev/{flow}/acme", f"prod/{flow}2/acme"]
        own = secret(f"token-broker/prod/{flow}/acme")
        readable = {own: True, secret("payroll"): False}
        readable |= {secret(f"token-broker/{path}"): False for path in foreign}
        for action in SECRET_ACTIONS:
            yield from function(stack, flow).deviations(f"secretsmanager:{action}", readable)


def own_items_only(stack: Template) -> Iterator[str]:
    """A function reaches items whose partition is its flow's."""
    for flow in FLOWS:
        subject, own, foreign = function(stack, flow), f"{flow}#acme", f"{others(flow)[0]}#acme"
        for action in ITEM_ACTIONS:
            name, wrong = f"dynamodb:{action}", {TABLE_ARN: False}
            yield from subject.deviations(name, {TABLE_ARN: True}, **{KEYS: [own]})
            for keys in ([foreign], [own, foreign], ["acme"], [f"{flow}2#acme"]):
                yield from subject.deviations(name, wrong, **{KEYS: keys})
            yield from subject.deviations(name, wrong)


def own_tokens_only(stack: Template) -> Iterator[str]:
    """A function encrypts and decrypts under its own flow's context of this table alone."""
    for flow in FLOWS:
        own = encrypted(flow)
        wrong = {"none": {}, "another table": encrypted(flow, "token-broker-dev")}
        wrong |= {other: encrypted(other) for other in others(flow)}
        wrong |= {f"no {key}": {k: v for k, v in own.items() if k != key} for key in own}
        for action in ("kms:Encrypt", "kms:Decrypt"):
            if not all(opinions(stack, flow, action, own)):
                yield f"{flow} cannot {action} its own tokens"
            for name, context in wrong.items():
                if any(opinions(stack, flow, action, context)):
                    yield f"{flow} can {action} with the context of {name}"


def functions_use_the_key_for_this_table_only(stack: Template) -> Iterator[str]:
    """DynamoDB may decrypt this table, and no other, for the functions."""
    for flow in FLOWS:
        own, other = (
            opinions(stack, flow, "kms:Decrypt", {**VIA_DYNAMODB, NAME_OF_TABLE: table})
            for table in (TABLE, "other")
        )
        if not all(own):
            yield f"DynamoDB cannot decrypt the table for {flow}"
        if any(other):
            yield f"DynamoDB can decrypt another table for {flow}"


def dynamodb_may_use_the_key(stack: Template) -> Iterator[str]:
    """It uses a customer managed key on behalf of callers, and by itself only describes it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    """
    for action in (*ACTIONS_FOR_CALLERS, "DescribeKey", "CreateGrant"):
        if not allows(key_policy(stack), Ask(f"kms:{action}", KEY_ARN, VIA_DYNAMODB)):
            yield f"no caller may {action} through DynamoDB"
    by_itself = [
        each
        for each in stack["TokenKey"]["Properties"]["KeyPolicy"]["Statement"]
        if each["Principal"] == {"Service": "dynamodb.amazonaws.com"}
    ]
    for action in ("DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListGrants"):
        if not allows(by_itself, Ask(f"kms:{action}", KEY_ARN)):
            yield f"DynamoDB may not {action}"
    for action in (*ACTIONS_FOR_CALLERS, "CreateGrant", "PutKeyPolicy", "ScheduleKeyDeletion"):
        if allows(by_itself, Ask(f"kms:{action}", KEY_ARN)):
            yield f"DynamoDB may {action} by itself"


def callers_may_look_up_the_api(stack: Template) -> Iterator[str]:
    """Callers of the API may look up its URL, so that `token-broker --stage` suffices."""
    for policy in ("Operate", "Hold", "Probe"):
        yield from holder(stack, policy).deviations(LOOK_UP, {STACK_ARN: True})


def connect_is_for_this_stage(stack: Template) -> Iterator[str]:
    """Connect reads and writes the secrets of this stage."""
    subject, own = holder(stack, "Connect"), secret("token-broker/prod/vntana/acme")
    other_stage = secret("token-broker/dev/vntana/acme")
    for action in ("CreateSecret", "GetSecretValue", "PutSecretValue"):
        wanted = {own: True, other_stage: False, secret("payroll"): False}
        yield from subject.deviations(f"secretsmanager:{action}", wanted)


def roles_work_in_their_own_function_only(stack: Template) -> Iterator[str]:
    """A role passed to another function reads no secret, item or token, and puts no event."""
    for flow in FLOWS:
        elsewhere = function(stack, flow)._replace(context=by_code("x"))
        own, item = secret(f"token-broker/prod/{flow}/acme"), {KEYS: [f"{flow}#acme"]}
        source = {"events:source": "token-broker"}
        yield from elsewhere.deviations("secretsmanager:GetSecretValue", {own: False})
        yield from elsewhere.deviations("dynamodb:GetItem", {TABLE_ARN: False}, **item)
        yield from elsewhere.deviations("kms:Decrypt", {KEY_ARN: False}, **encrypted(flow))
        yield from elsewhere.deviations("events:PutEvents", {BUS_ARN: False}, **source)


def the_key_policy_excludes_administrators(stack: Template) -> Iterator[str]:
    """The key policy does not let administrators use the key, whatever their own policies allow."""
    all_actions = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    administrator = {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/Admin"}
    for action in ("Decrypt", "Encrypt", "CreateGrant", "GenerateDataKey", "ReEncryptFrom"):
        for context in ({}, encrypted("vntana")):
            ask = Ask(f"kms:{action}", KEY_ARN, administrator | context)
            if allows(all_actions, ask) and allows(key_policy(stack), ask):
                yield f"an administrator can {action}"


def logs_use_the_key_for_this_stage(stack: Template) -> Iterator[str]:
    """CloudWatch Logs may use the key for the stage's logs only."""
    statements = stack["TokenKey"]["Properties"]["KeyPolicy"]["Statement"]
    named = [each for each in statements if "Service" in each["Principal"]]
    for statement in named:
        if statement["Principal"]["Service"] not in SERVICES:
            yield f"the key policy allows {statement['Principal']}"
    subject = Subject("CloudWatch Logs", named, {})
    for group, is_right in {
        "lambda/token-broker-prod-vntana": True,
        "apigateway/token-broker-prod": True,
        "lambda/token-broker-dev-vntana": False,
        "lambda/payroll": False,
    }.items():
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/{group}"
        context = {"kms:EncryptionContext:aws:logs:arn": arn}
        yield from subject.deviations("kms:Decrypt", {KEY_ARN: is_right}, **context)
    yield from subject.deviations("kms:Decrypt", {KEY_ARN: False})


def statements_have_exactly_their_actions(stack: Template) -> Iterator[str]:
    """A statement allows or denies the actions listed here, with any option of the stack.

    So operators, by Operate, see states and names, and no content of secrets or tokens.
    """
    a_flow = re.compile("|".join(map(str.capitalize, FLOWS)))
    for name, statement in identity_statements(stack):
        policy = a_flow.sub("Flow", name.rpartition(".")[2])
        where = f"{policy} {statement.get('Sid', '')}".strip()
        if sorted(many(statement["Action"])) != sorted(ACTIONS.get(where, "").split()):
            yield f"{where} has the actions {statement['Action']}"


def resources_are_named(stack: Template) -> Iterator[str]:
    """A statement is about named resources where the service knows any."""
    for name, statement in identity_statements(stack):
        is_named = "*" not in many(statement["Resource"]) or statement["Effect"] == "Deny"
        if not is_named and statement.get("Sid") not in WITHOUT_RESOURCE:
            yield f"{name} allows {statement['Action']} on any resource"


def functions_invoke_only_themselves(stack: Template) -> Iterator[str]:
    """A function may invoke only itself, by any alias."""
    for flow in FLOWS:
        wanted = {
            function_arn(target) + suffix: target == flow
            for target in (*FLOWS, "x")
            for suffix in ("", ":live")
        }
        yield from function(stack, flow).deviations("lambda:InvokeFunction", wanted)


def own_log_only(stack: Template) -> Iterator[str]:
    """A function writes its own log."""
    log = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/token-broker-prod-"
    for flow in FLOWS:
        wanted = {f"{log}{target}:log-stream:x": target == flow for target in FLOWS}
        yield from function(stack, flow).deviations("logs:PutLogEvents", wanted)


def functions_put_only_their_own_events(stack: Template) -> Iterator[str]:
    """A function puts events only on the stack's bus, with the broker's source."""
    default = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    for source, wanted in {
        "token-broker": {BUS_ARN: True, default: False},
        "aws.secretsmanager": {BUS_ARN: False},
    }.items():
        context = {"events:source": source}
        yield from function(stack, "vntana").deviations("events:PutEvents", wanted, **context)


def trusted_by_lambda_only(stack: Template) -> Iterator[str]:
    """Only Lambda may assume a function's role."""
    functions = {f"{flow.capitalize()}Role" for flow in FLOWS}
    for name, role in of_type(stack, "IAM::Role").items():
        for trust in role["AssumeRolePolicyDocument"]["Statement"]:
            named = trust["Principal"]
            is_lambda = named == {"Service": "lambda.amazonaws.com"}
            if named.keys() != {"Service"} or (name in functions and not is_lambda):
                yield f"{name} trusts {named}"


def services_invoke_for_this_stack_only(stack: Template) -> Iterator[str]:
    """The services that may invoke a function may do so for this API and these rules alone."""
    for name, permission in of_type(stack, "Lambda::Permission").items():
        if "SourceArn" not in permission:
            yield f"{name} lets any {permission['Principal']} invoke"
