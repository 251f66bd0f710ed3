"""The template satisfies each rule, and each rule detects a template that breaks it."""

import pytest

from tests.template import access_rules, api_rules, resource_rules, team_rules
from tests.template.documents import Template, template
from tests.template.faults import FAULTY, Edit
from tests.template.rules import Rule, deployed, rules_of, sound
from tests.template.stacks import resolved

RULES = [
    rule
    for module in (access_rules, api_rules, resource_rules, team_rules)
    for rule in rules_of(module)
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_template_satisfies_each_rule(rule: Rule) -> None:
    """The rule is explained by its docstring."""
    assert list(rule(sound())) == []


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        pytest.param(rule, fault, id=f"{rule.__name__}: {what}")
        for rule, faults in FAULTY.items()
        for what, fault in faults.items()
    ],
)
def test_a_template_that_breaks_a_rule_is_detected(rule: Rule, fault: Edit) -> None:
    """The rule returns findings."""
    assert list(rule(deployed(fault.made())))


def test_each_rule_has_a_template_that_breaks_it() -> None:
    """In `FAULTY`."""
    assert set(RULES) == FAULTY.keys()


ALWAYS = {"AlarmTopicArn": "arn:topic", "Team1": "orders", "TeamKeys": "required"}
COMBINATIONS: dict[str, dict[str, str]] = {
    "private": {
        "VpcEndpointIds": "vpce-1,vpce-2",
        "SubnetIds": "subnet-1,subnet-2",
        "SecurityGroupIds": "sg-1",
        "InternalHosts": "vendor.example.com",
        "AccessLogs": "enabled",
        "SnapStart": "enabled",
    },
    "public": {
        "DomainName": "tokens.example.com",
        "CertificateArn": "arn:certificate",
        "HostedZoneId": "Z1",
        "WebAclArn": "arn:acl",
        "Tracing": "enabled",
        "ProvisionedConcurrency": "2",
    },
    "busy": {
        "ReservedConcurrency": "100",
        "DeploymentType": "Linear10PercentEvery1Minute",
        "SecretsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1",
        "WarmVntana": '{"connection": "acme"}',
        "CheckEditor": '[{"connection": "acme"}]',
        "Team2": "billing",
        "LogLevel": "DEBUG",
        "Timeout": "28",
    },
}


@pytest.fixture(scope="module", params=COMBINATIONS)
def combined(request: pytest.FixtureRequest) -> Template:
    """Return the stack with some of the options that go together."""
    return resolved(template(), **ALWAYS, **COMBINATIONS[request.param])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_rule_holds_with_all_options(combined: Template, rule: Rule) -> None:
    """For several combinations of parameters."""
    assert list(rule(combined)) == []
