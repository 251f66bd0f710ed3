"""The effects of each parameter, and of a new version of the code, on the stack."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.subjects import CHECKED
from tests.template.api_rules import operations
from tests.template.documents import Template, template
from tests.template.iam import Ask, allows
from tests.template.rules import sound
from tests.template.stacks import ACCOUNT, Stack, resolved
from tests.template.subjects import FLOWS, KEY_ARN, TABLE, may, of_type, text
from tests.template.translation import REGION, translated

ENDPOINT = "vpce-1"


def with_(**parameters: str) -> Template:
    """Return the stack of the template with *parameters*."""
    return resolved(template(), **parameters)


def function(stack: Template, flow: str = "vntana") -> Template:
    """Return the properties of a function."""
    properties: Template = stack[f"{flow.capitalize()}Function"]["Properties"]
    return properties


def versions(source: Template, **parameters: str) -> set[str]:
    """Return the names of the functions' versions: a new name is a new version."""
    resources = translated(source, **parameters)["Resources"]
    return {name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Version"}


@pytest.mark.parametrize(
    ("name", "key", "count"),
    [("TokenBrokerLayer", "ContentUri", len(FLOWS)), ("VntanaFunction", "CodeUri", 1)],
)
def test_new_code_publishes_a_new_version(name: str, key: str, count: int) -> None:
    """Also that of the layer, as a canary deployment needs a new version."""
    source = template()
    source["Resources"][name]["Properties"][key] = "s3://bucket/another"
    assert len(versions(template()) - versions(source)) == count


def test_each_layer_is_built_for_the_processor_of_the_functions() -> None:
    """A layer may have compiled code, and SAM's own choice is x86_64."""
    resources = template()["Resources"].values()
    layers = [each for each in resources if each["Type"] == "AWS::Serverless::LayerVersion"]
    assert [each["Metadata"]["BuildArchitecture"] for each in layers] == 2 * [
        {"Ref": "Architecture"}
    ]


def test_a_release_publishes_a_new_version() -> None:
    """SAM publishes none for a changed parameter, so `make deploy` sets `Release` to the time."""
    assert versions(template()) == versions(template(), MemorySeconds="1")
    first, second = (versions(template(), Release=str(at)) for at in (1700000000, 1700000001))
    assert not first & second


SWITCHES = {"SnapStart", "Tracing", "DeletionProtection", "AccessLogs", "TeamKeys"}
"""Parameters that choose; what they choose is tested one by one."""

POLICY = "Body.x-amazon-apigateway-policy.Statement.*"
REACHED = {
    "Architecture": {"Architectures.*", "CompatibleArchitectures.*"},
    "MemorySize": {"MemorySize"},
    "Timeout": {"Timeout"},
    "LogLevel": {"Environment.Variables.POWERTOOLS_LOG_LEVEL"},
    "LogRetention": {"RetentionInDays"},
    "MemorySeconds": {"Environment.Variables.MEMORY_SECONDS"},
    "MemoryEntries": {"Environment.Variables.MEMORY_ENTRIES"},
    "LeaseSkewSeconds": {"Environment.Variables.LEASE_SKEW_SECONDS"},
    "InternalHosts": {"Environment.Variables.INTERNAL_HOSTS"},
    "Release": {"Description", "FunctionVersion"}
    | {f"Parameters.{flow.capitalize()}Version" for flow in FLOWS},
    "DeploymentType": {"DeploymentConfigName"},
    "AlarmTopicArn": {"AlarmActions.*", "OKActions.*", "Parameters.AlarmTopicArn"},
    "ReservedConcurrency": {"ReservedConcurrentExecutions"},
    "ProvisionedConcurrency": {"ProvisionedConcurrencyConfig.ProvisionedConcurrentExecutions"},
    "SecretsKeyArn": {"PolicyDocument.Statement.*.Resource"},
    "ThrottlingRate": {"MethodSettings.*.ThrottlingRateLimit"},
    "ThrottlingBurst": {"MethodSettings.*.ThrottlingBurstLimit"},
    "CallerAccounts": {f"{POLICY}.Principal.AWS"},
    "WebAclArn": {"WebACLArn"},
    "DomainName": {"DomainName", "Name"},
    "CertificateArn": {"RegionalCertificateArn"},
    "HostedZoneId": {"HostedZoneId"},
    "TeamRate": {"Parameters.Rate", "Throttle.RateLimit"},
    "TeamBurst": {"Parameters.Burst", "Throttle.BurstLimit"},
    "SubnetIds": {"VpcConfig.SubnetIds.*"},
    "SecurityGroupIds": {"VpcConfig.SecurityGroupIds.*"},
    "VpcEndpointIds": {
        f"{POLICY}.Condition.StringNotEquals.aws:SourceVpce",
        "EndpointConfiguration.VpcEndpointIds.*",
    },
    "WarmRate": {"ScheduleExpression"},
    "CheckRate": {"ScheduleExpression"},
    **{f"Warm{flow.capitalize()}": {"Targets.*.Input"} for flow in FLOWS},
    **{f"Check{flow.capitalize()}": {"Targets.*.Input"} for flow in CHECKED},
    **{
        f"Team{number}": {"Description", "Name", "Parameters.Team", "Qualifier", "UsagePlanName"}
        for number in range(1, 7)
    },
}
"""The properties that have each parameter's value in them."""


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Return each value of *node* as a text, with the path of keys to it."""
    members = node.items() if isinstance(node, dict) else [("*", each) for each in node]
    for key, value in members:
        inner = f"{path}.{key}".lstrip(".")
        if isinstance(value, dict | list):
            yield from leaves(value, inner)
        else:
            yield inner, str(value)


def test_each_parameter_sets_its_properties_and_no_others() -> None:
    """All are set at once, each to a different value."""
    names = template()["Parameters"].keys() - SWITCHES - {"Stage"}
    values = {name: str(7_000_000 + number) for number, name in enumerate(sorted(names))}
    found: dict[str, set[str]] = {name: set() for name in names}
    for resource in with_(**values).values():
        for path, text_of in leaves(resource["Properties"]):
            for name in names:
                if values[name] in text_of:
                    found[name].add(path)
    assert found == REACHED


def test_a_private_api_is_reachable_only_by_its_endpoints() -> None:
    """Other sources are denied, even if another policy allows them."""
    api = with_(VpcEndpointIds=ENDPOINT)["TokenBrokerApi"]["Properties"]
    assert api["EndpointConfiguration"] == {"Types": ["PRIVATE"], "VpcEndpointIds": [ENDPOINT]}
    statements = api["Body"]["x-amazon-apigateway-policy"]["Statement"]
    for source, is_allowed in ((ENDPOINT, True), ("vpce-2", False)):
        ask = Ask("execute-api:Invoke", "execute-api:/*", {"aws:SourceVpce": source})
        assert allows(statements, ask) is is_allowed
    assert not allows(statements, Ask("execute-api:Invoke", "execute-api:/*"))


def test_functions_in_a_vpc_may_create_network_interfaces() -> None:
    """Only those, and only Lambda itself, not the code."""
    inside, outside = with_(SubnetIds="subnet-1", SecurityGroupIds="sg-1"), sound()
    assert "VpcConfig" in function(inside)
    by_lambda = {"lambda:SourceFunctionArn": "none"}
    assert may(inside, "vntana", "ec2:CreateNetworkInterface", "*", **by_lambda)
    assert not may(inside, "vntana", "ec2:CreateNetworkInterface", "*")
    assert "VpcConfig" not in function(outside)
    assert not may(outside, "vntana", "ec2:CreateNetworkInterface", "*", **by_lambda)


def test_the_options_of_a_function_are_off_by_default() -> None:
    """Zero reserved stops the function. SnapStart is for published versions, as the alias has."""
    off, concurrency = sound(), {"ReservedConcurrency": "0", "ProvisionedConcurrency": "2"}
    on = with_(SnapStart="enabled", Tracing="enabled", **concurrency)
    starts = [function(stack)["SnapStart"]["ApplyOn"] for stack in (off, on)]
    assert starts == ["None", "PublishedVersions"]
    assert "ReservedConcurrentExecutions" not in function(off)
    assert function(on)["ReservedConcurrentExecutions"] == "0"
    assert function(on)["TracingConfig"] == {"Mode": "Active"}
    assert on["TokenBrokerApiStage"]["Properties"]["TracingEnabled"] is True
    for stack, is_on in ((off, False), (on, True)):
        assert ("ProvisionedConcurrency" in text(of_type(stack, "Lambda::Alias"))) is is_on
        assert may(stack, "editor", "xray:PutTraceSegments", "*") is is_on


def test_the_key_of_the_secrets_may_be_used_by_secrets_manager() -> None:
    """Only for this stage's secrets."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/secrets"
    stack = with_(SecretsKeyArn=key)
    through = {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}
    prefix = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
    for path, is_allowed in (("token-broker/prod/vntana/acme", True), ("payroll", False)):
        context = through | {"kms:EncryptionContext:SecretARN": f"{prefix}{path}-AbCdEf"}
        assert may(stack, "vntana", "kms:Decrypt", key, **context) is is_allowed
        assert not may(stack, "vntana", "kms:Decrypt", KEY_ARN, **context)
        connect = stack["Connect"]["Properties"]["PolicyDocument"]["Statement"]
        assert allows(connect, Ask("kms:GenerateDataKey", key, context)) is is_allowed
        for name, value in context.items():
            alone = {name: value}
            assert not may(stack, "vntana", "kms:Decrypt", key, **alone), "by one condition"
            assert not allows(connect, Ask("kms:GenerateDataKey", key, alone)), "by one condition"


@pytest.mark.parametrize(
    ("flow", "parameter", "event"),
    [
        *((flow, "Warm", "Warm") for flow in FLOWS),
        *((flow, "Check", "Checks") for flow in CHECKED),
    ],
)
def test_schedules_can_warm_and_check_connections(flow: str, parameter: str, event: str) -> None:
    """By direct invocations; without connections, a schedule is disabled."""
    calls = '[{"connection": "acme"}, {"connection": "globex"}]'
    warm, cold = (
        with_(**{f"{parameter}{flow.capitalize()}": value})[f"{flow.capitalize()}Function{event}"]
        for value in (calls, "")
    )
    [target] = warm["Properties"]["Targets"]
    assert warm["Properties"]["State"] == "ENABLED"
    each = {"each": "check"} if parameter == "Check" else {}
    assert json.loads(target["Input"]) == {"action": "warm", **each, "calls": json.loads(calls)}
    assert target["Arn"] == f"<{flow.capitalize()}FunctionAliaslive>"
    assert cold["Properties"]["State"] == "DISABLED"


CALLS = (['[{"connection": "acme"}]', '{"connection": "acme"}', ""], ["acme", "[", "*"])
SWITCH = (["enabled", "disabled"], ["", "true"])
A_TEAM = (["orders-eu", "a" * 32, ""], ["*", "a" * 33, "2nd", "Orders", "a b"])
RATE = (
    ["rate(1 minute)", "rate(10 minutes)", "rate(2 hours)", "cron(0 9 ? * MON-FRI *)"],
    ["", "5", "rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "cron(0 9 * * *)"],
)
"""https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html"""

TAKEN: dict[str, tuple[list[str], list[str]]] = {
    "Stage": (["dev", "a" * 16], ["*", "a" * 17, "", "2nd", "Dev"]),
    "Architecture": (["arm64", "x86_64"], ["", "arm"]),
    "MemorySize": (["256", "3008"], ["255", "3009"]),
    "Timeout": (["15", "28"], ["14", "29"]),
    "LogLevel": (["DEBUG", "INFO", "WARNING", "ERROR"], ["", "CRITICAL"]),
    "LogRetention": (["30", "365", "3653"], ["0", "7", "100"]),
    "MemorySeconds": (["0", "300"], ["-1", "301"]),
    "MemoryEntries": (["0", "1000000"], ["-1"]),
    "LeaseSkewSeconds": (["5", "120"], ["4", "121"]),
    "Release": (["1700000000", ""], ["170000000", "17000000000", "x"]),
    "DeploymentType": (["AllAtOnce", "Linear10PercentEvery3Minutes"], ["", "Canary"]),
    "ReservedConcurrency": (["-1", "0", "100"], ["-2"]),
    "ProvisionedConcurrency": (["0", "100"], ["-1"]),
    "SnapStart": SWITCH,
    "Tracing": SWITCH,
    "DeletionProtection": SWITCH,
    "SecretsKeyArn": (
        ["arn:aws:kms:eu-west-1:111122223333:key/mrk-0a-1", ""],
        ["*", *(f"arn:aws:kms:eu-west-1:111122223333:{key}" for key in ("key/*", "alias/a"))],
    ),
    "ThrottlingRate": (["1"], ["0"]),
    "ThrottlingBurst": (["1"], ["0"]),
    "AccessLogs": (["with-account-role", "enabled", "disabled"], [""]),
    "CallerAccounts": (["111122223333", ""], ["*", "11112222333", "1111222233334"]),
    "TeamKeys": (["", "required"], ["enabled"]),
    "TeamRate": (["1"], ["0"]),
    "TeamBurst": (["1"], ["0"]),
    "WarmRate": RATE,
    "CheckRate": RATE,
    **{f"Team{number}": A_TEAM for number in range(1, 7)},
    **{f"Warm{flow.capitalize()}": CALLS for flow in FLOWS},
    **{f"Check{flow.capitalize()}": CALLS for flow in CHECKED},
}
"""Values that CloudFormation takes for a parameter, and those that it refuses, at the bounds."""

BOUNDS = ("AllowedPattern", "AllowedValues", "MinValue", "MaxValue")


def test_each_parameter_takes_its_values_and_no_others() -> None:
    """None for a policy can be a wildcard. Defaults are taken; the others have no bounds."""
    parameters = template()["Parameters"]
    assert {name for name, each in parameters.items() if each.keys() & {*BOUNDS}} == TAKEN.keys()
    for name, (taken, refused) in TAKEN.items():
        values = [str(parameters[name]["Default"]), *taken, *refused]
        found = [value for value in values if is_taken(parameters[name], value)]
        assert found == values[: len(taken) + 1], name


def is_taken(parameter: Template, value: str) -> bool:
    """Say whether CloudFormation takes *value* for *parameter*."""
    number = float(value) if parameter["Type"] == "Number" else 0.0
    return (
        re.fullmatch(parameter.get("AllowedPattern", ".*"), value) is not None
        and value in map(str, parameter.get("AllowedValues", [value]))
        and parameter.get("MinValue", number) <= number <= parameter.get("MaxValue", number)
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"SnapStart": "enabled", "ProvisionedConcurrency": "1"}, "Lambda has SnapStart or"),
        ({"DomainName": "a.b"}, "DomainName and CertificateArn need each other"),
        ({"CertificateArn": "arn:c"}, "DomainName and CertificateArn need each other"),
        ({"HostedZoneId": "Z"}, "HostedZoneId needs"),
        (
            {"DomainName": "a.b", "CertificateArn": "arn:c", "VpcEndpointIds": ENDPOINT},
            "DomainName is for a public API",
        ),
        ({"SubnetIds": "subnet-1"}, "SubnetIds and SecurityGroupIds need each other"),
        ({"SecurityGroupIds": "sg-1"}, "SubnetIds and SecurityGroupIds need each other"),
        ({"TeamKeys": "required"}, "TeamKeys needs"),
    ],
)
def test_incompatible_parameters_are_refused(parameters: dict[str, str], message: str) -> None:
    """By a rule with a message, before any change. None of a pair, or both, are compatible."""
    [refusal] = Stack(template(), parameters).refusals()
    assert refusal.startswith(message)
    together = {"SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1", "TeamKeys": "required"}
    together |= {"Team1": "orders", "DomainName": "a.b", "CertificateArn": "arn:c"}
    for compatible in ({}, together | {"SnapStart": "enabled"}):
        assert Stack(template(), compatible).refusals() == []


def test_api_keys_for_teams_can_be_required() -> None:
    """Without it, a signature is sufficient; the keys exist in any case."""
    for value, schemes in (("", {"AWS_IAM"}), ("required", {"AWS_IAM", "api_key"})):
        stack = with_(Team1="orders", TeamKeys=value)
        for _, _, operation in operations(stack):
            assert {name for each in operation["security"] for name in each} == schemes
        assert {"Team1Stack.Key", "Team1Stack.VntanaAlias"} <= stack.keys()
        assert "Team2Stack" not in stack


DOMAIN = {"DomainName": "a.b", "CertificateArn": "arn:c"}


@pytest.mark.parametrize(
    ("parameters", "resources"),
    [
        ({"WebAclArn": "arn:acl"}, {"WebAclAssociation"}),
        (DOMAIN, {"Domain", "DomainMapping"}),
        (DOMAIN | {"HostedZoneId": "Z"}, {"Domain", "DomainMapping", "DomainRecord"}),
        ({"AccessLogs": "enabled"}, {"ApiAccount", "ApiAccountRole"}),
        ({"AccessLogs": "disabled"}, {"ApiAccount", "ApiAccountRole"}),
    ],
)
def test_an_option_adds_or_removes_exactly_its_resources(
    parameters: dict[str, str], resources: set[str]
) -> None:
    """All of a domain, which is regional, leads to the stage."""
    stack = with_(**parameters)
    assert stack.keys() ^ with_().keys() == resources
    assert ("ApiAccount" in stack) is ("AccessLogs" not in parameters)
    # No access logs before the account has its role: CloudFormation would refuse the stage.
    assert ("ApiAccount" in stack) is ("<ApiAccount>" in text(stack["TokenBrokerApiStage"]))
    if "ApiAccountRole" in stack:
        [policy] = stack["ApiAccountRole"]["Properties"]["ManagedPolicyArns"]
        assert policy.endswith(":policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs")
    for mapping in of_type(stack, "ApiGateway::BasePathMapping").values():
        assert mapping == {
            "DomainName": "<Domain>",
            "RestApiId": "<TokenBrokerApi>",
            "Stage": "<TokenBrokerApiStage>",
        }
    for record in of_type(stack, "Route53::RecordSet").values():
        assert (record["Type"], record["AliasTarget"]) == (
            "A",
            {
                "DNSName": "<Domain.RegionalDomainName>",
                "HostedZoneId": "<Domain.RegionalHostedZoneId>",
            },
        )


def test_a_deployment_at_once_waits_for_no_alarm() -> None:
    """It may be the fix of what rings. Without the property, CodeDeploy would keep its alarms.

    https://github.com/aws/serverless-application-model/issues/2452
    """
    groups = of_type(with_(DeploymentType="AllAtOnce"), "CodeDeploy::DeploymentGroup")
    assert [each["AlarmConfiguration"] for each in groups.values()] == [{}] * len(FLOWS)


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("", f"https://<TokenBrokerApi>.execute-api.{REGION}.amazonaws.com/prod"),
        ("tokens.example.com", "https://tokens.example.com"),
    ],
)
def test_the_outputs_name_api_functions_policies_and_resources(domain: str, url: str) -> None:
    """The API's URL is that of the domain, if there is one."""
    outputs = Stack(template(), {"DomainName": domain}).outputs()
    wanted = {"ApiUrl": url, "TableName": TABLE, "KeyArn": KEY_ARN, "EventBusName": TABLE}
    policies = ["Operate", "Probe", "Hold", "Connect"]
    for flow in map(str.capitalize, FLOWS):
        wanted[f"{flow}FunctionArn"] = f"<{flow}FunctionAliaslive>"
        policies += [f"Call{flow}", f"Call{flow}Connection"]
    wanted |= {f"{policy}PolicyArn": f"<{policy}>" for policy in policies}
    assert {name: outputs[name] for name in wanted} == wanted
