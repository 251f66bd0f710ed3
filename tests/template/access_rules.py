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
    by_code,
    encrypted,
    function_arn,
    granted,
    identity_statements,
    key_policy,
    may,
    of_type,
    opinions,
    others,
    role_arn,
)
from tests.template.translation import REGION

API = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:<TokenBrokerApi>/prod"
STACK_ARN = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/token-broker-prod/id"
ITEM_ACTIONS = ("GetItem", "BatchGetItem", "Query", "UpdateItem")
SECRET_ACTIONS = ("GetSecretValue", "DescribeSecret")
CHANGES = {"PutSecretValue", "UpdateSecret", "DeleteSecret"}
SERVICES = (f"logs.{REGION}.amazonaws.com", "dynamodb.amazonaws.com")
"""The services in the key's policy; DynamoDB has a rule of its own."""

ACTIONS_FOR_CALLERS = ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey")
"""The actions of DynamoDB on the key on behalf of the table's users."""

INTERFACES = (
    "ec2:AssignPrivateIpAddresses ec2:CreateNetworkInterface ec2:DeleteNetworkInterface "
    "ec2:DescribeNetworkInterfaces ec2:DescribeSubnets ec2:UnassignPrivateIpAddresses"
)
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


def secret(path: str) -> str:
    """Return the ARN of a secret, with the six characters that AWS adds."""
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{path}-AbCdEf"


def verb(is_required: bool) -> str:
    """Return what a policy does wrong, by whether it is required to allow something."""
    return "does not allow" if is_required else "allows"


def own_secrets_only(stack: Template) -> Iterator[str]:
    """A function reads its own flow's secrets of its own stage."""
    for flow in FLOWS:
        own = secret(f"token-broker/prod/{flow}/acme")
        foreign = [secret(f"token-broker/prod/{other}/acme") for other in others(flow)]
        foreign += [
            secret(f"token-broker/{path}/acme") for path in (f"dev/{flow}", f"prod/{flow}2")
        ]
        foreign += [secret("payroll")]
        for action in SECRET_ACTIONS:
            if not may(stack, flow, f"secretsmanager:{action}", own):
                yield f"{flow} cannot {action} its own secret"
            yield from (
                f"{flow} can {action} {each}"
                for each in foreign
                if may(stack, flow, f"secretsmanager:{action}", each)
            )


def own_items_only(stack: Template) -> Iterator[str]:
    """A function reaches items whose partition is its flow's."""
    for flow in FLOWS:
        own, foreign = [f"{flow}#acme"], [f"{others(flow)[0]}#acme"]
        for action in ITEM_ACTIONS:
            if not may(stack, flow, f"dynamodb:{action}", TABLE_ARN, keys=own):
                yield f"{flow} cannot {action} its own items"
            for keys in (foreign, own + foreign, ["acme"], [f"{flow}2#acme"]):
                if may(stack, flow, f"dynamodb:{action}", TABLE_ARN, keys=keys):
                    yield f"{flow} can {action} {keys}"
            if may(stack, flow, f"dynamodb:{action}", TABLE_ARN):
                yield f"{flow} can {action} without a partition key"


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
        context = {
            "kms:ViaService": f"dynamodb.{REGION}.amazonaws.com",
            "kms:CallerAccount": ACCOUNT,
            "kms:EncryptionContext:aws:dynamodb:tableName": TABLE,
        }
        if not all(opinions(stack, flow, "kms:Decrypt", context)):
            yield f"DynamoDB cannot decrypt the table for {flow}"
        context["kms:EncryptionContext:aws:dynamodb:tableName"] = "other"
        if any(opinions(stack, flow, "kms:Decrypt", context)):
            yield f"DynamoDB can decrypt another table for {flow}"


def dynamodb_may_use_the_key(stack: Template) -> Iterator[str]:
    """It uses a customer managed key on behalf of callers, and by itself only describes it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    """
    via_dynamodb = {
        "kms:ViaService": f"dynamodb.{REGION}.amazonaws.com",
        "kms:CallerAccount": ACCOUNT,
    }
    for action in (*ACTIONS_FOR_CALLERS, "DescribeKey", "CreateGrant"):
        if not allows(key_policy(stack), Ask(f"kms:{action}", KEY_ARN, via_dynamodb)):
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


def operators_see_no_secret(stack: Template) -> Iterator[str]:
    """The policy Operate allows states and names, and no content of secrets or tokens."""
    given = granted(stack, "Operate")
    own = secret("token-broker/prod/vntana/acme")
    for action, resource in (
        *((f"secretsmanager:{action}", own) for action in CHANGES | {"GetSecretValue"}),
        *((f"dynamodb:{action}", TABLE_ARN) for action in (*ITEM_ACTIONS, "Scan")),
        *((f"kms:{action}", KEY_ARN) for action in ("Decrypt", "Encrypt", "CreateGrant")),
        ("execute-api:Invoke", f"{API}/POST/v1/vntana/acme/token"),
        ("execute-api:Invoke", f"{API}/PUT/v1/vntana/acme/hold"),
        ("execute-api:Invoke", f"{API}/DELETE/v1/vntana/acme/hold"),
    ):
        if allows(given, Ask(action, resource)):
            yield f"an operator may {action}"


def probe_gives_no_token(stack: Template) -> Iterator[str]:
    """The policy Probe allows only the probe routes of this API, and no token or status."""
    given = granted(stack, "Probe")
    for flow in FLOWS:
        for route, is_right in (
            ("POST/v1/{}/acme/probe", True),
            ("POST/v1/{}/acme/token", False),
            ("GET/v1/{}/acme", False),
            ("DELETE/v1/{}/acme/token", False),
        ):
            resource = f"{API}/{route.format(flow)}"
            if allows(given, Ask("execute-api:Invoke", resource)) is not is_right:
                yield f"Probe {verb(is_right)} {resource}"
            rest = granted(stack, "Operate") + granted(stack, f"Call{flow.capitalize()}")
            if is_right and allows(rest, Ask("execute-api:Invoke", resource)):
                yield f"another policy allows {resource}"


def callers_may_look_up_the_api(stack: Template) -> Iterator[str]:
    """Callers of the API may look up its URL, so that `token-broker --stage` suffices."""
    for name in ("Operate", "Hold", "Probe"):
        given = granted(stack, name)
        if not allows(given, Ask("cloudformation:DescribeStacks", STACK_ARN)):
            yield f"{name} may not describe the stack, which has the API's URL"


def the_hold_policy_allows_hold_and_lift_only(stack: Template) -> Iterator[str]:
    """Hold allows the hold routes, and no other route."""
    given = granted(stack, "Hold")
    for route, is_right in (
        ("PUT/v1/vntana/acme/hold", True),
        ("DELETE/v1/editor/acme/hold", True),
        ("DELETE/v1/vntana/acme/token", False),
        ("POST/v1/vntana/acme/token", False),
        ("GET/v1/vntana/acme", False),
    ):
        if allows(given, Ask("execute-api:Invoke", f"{API}/{route}")) is not is_right:
            yield f"Hold {verb(is_right)} {route}"


def connect_is_for_this_stage(stack: Template) -> Iterator[str]:
    """Connect reads and writes the secrets of this stage."""
    given = granted(stack, "Connect")
    for action in ("CreateSecret", "GetSecretValue", "PutSecretValue"):
        for path, is_right in (
            ("token-broker/prod/vntana/acme", True),
            ("token-broker/dev/vntana/acme", False),
            ("payroll", False),
        ):
            if allows(given, Ask(f"secretsmanager:{action}", secret(path))) is not is_right:
                yield f"Connect {verb(is_right)} {action} of {path}"


def roles_work_in_their_own_function_only(stack: Template) -> Iterator[str]:
    """A role passed to another function reads no secret, item or token, and puts no event."""
    for flow in FLOWS:
        another_function = by_code("x")
        for action, resource, context in (
            ("secretsmanager:GetSecretValue", secret(f"token-broker/prod/{flow}/acme"), {}),
            ("dynamodb:GetItem", TABLE_ARN, {"keys": [f"{flow}#acme"]}),
            ("kms:Decrypt", KEY_ARN, encrypted(flow)),
            ("events:PutEvents", BUS_ARN, {"events:source": "token-broker"}),
        ):
            if may(stack, flow, action, resource, **context, **another_function):
                yield f"another function may {action} as {flow}"


def the_key_policy_excludes_administrators(stack: Template) -> Iterator[str]:
    """The key policy does not let administrators use the key, whatever their own policies allow."""
    all_actions = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    administrator = {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/Admin"}
    actions = ("Decrypt", "Encrypt", "CreateGrant", "GenerateDataKey", "ReEncryptFrom")
    for action in actions:
        for context in ({}, encrypted("vntana")):
            ask = Ask(f"kms:{action}", KEY_ARN, administrator | context)
            if allows(all_actions, ask) and allows(key_policy(stack), ask):
                yield f"an administrator can {action}"
    # The key policy restricts a role even if the role's policy allows any action.
    for flow in FLOWS:
        for context in ({}, encrypted(others(flow)[0]), encrypted(flow, "token-broker-dev")):
            ask = Ask("kms:Decrypt", KEY_ARN, {"aws:PrincipalArn": role_arn(flow)} | context)
            if allows(key_policy(stack), ask):
                yield f"the key policy lets {flow} decrypt with the context {context}"


def logs_use_the_key_for_this_stage(stack: Template) -> Iterator[str]:
    """CloudWatch Logs may use the key for the stage's logs only."""
    statements = stack["TokenKey"]["Properties"]["KeyPolicy"]["Statement"]
    named = [each for each in statements if "Service" in each["Principal"]]
    for statement in named:
        if statement["Principal"]["Service"] not in SERVICES:
            yield f"the key policy allows {statement['Principal']}"
    prefix = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/"
    for group, is_right in (
        ("lambda/token-broker-prod-vntana", True),
        ("apigateway/token-broker-prod", True),
        ("lambda/token-broker-dev-vntana", False),
        ("lambda/payroll", False),
    ):
        context = {"kms:EncryptionContext:aws:logs:arn": prefix + group}
        if allows(named, Ask("kms:Decrypt", KEY_ARN, context)) is not is_right:
            yield f"the key policy {verb(is_right)} the log group {group}"
    if allows(named, Ask("kms:Decrypt", KEY_ARN)):
        yield "the key policy allows any log group"


def statements_have_exactly_their_actions(stack: Template) -> Iterator[str]:
    """A statement allows or denies the actions listed here, with any option of the stack."""
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
        for target in (*FLOWS, "x"):
            for suffix in ("", ":live"):
                arn = function_arn(target) + suffix
                is_allowed = may(stack, flow, "lambda:InvokeFunction", arn)
                if is_allowed is not (target == flow):
                    yield f"the role of {flow} {verb(target == flow)} to invoke {target}{suffix}"


def own_log_only(stack: Template) -> Iterator[str]:
    """A function writes its own log."""
    for flow in FLOWS:
        for target in FLOWS:
            log = f"log-group:/aws/lambda/token-broker-prod-{target}:log-stream:x"
            arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:{log}"
            is_allowed = may(stack, flow, "logs:PutLogEvents", arn)
            if is_allowed is not (target == flow):
                yield f"the role of {flow} {verb(target == flow)} the log of {target}"


def functions_put_only_their_own_events(stack: Template) -> Iterator[str]:
    """A function puts events only on the stack's bus, with the broker's source."""
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/"
    for name, source, is_right in (
        ("token-broker-prod", "token-broker", True),
        ("token-broker-prod", "aws.secretsmanager", False),
        ("default", "token-broker", False),
    ):
        context = {"events:source": source}
        if may(stack, "vntana", "events:PutEvents", bus + name, **context) is not is_right:
            yield f"the role {verb(is_right)} events of {source} on {name}"


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
