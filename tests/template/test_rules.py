"""The template satisfies each rule, and each rule detects a template that breaks it."""

import pytest

from tests.template import (
    access_rules,
    api_rules,
    faulty_access,
    faulty_api,
    faulty_resources,
    faulty_teams,
    resource_rules,
    team_rules,
)
from tests.template.documents import Template, template
from tests.template.rules import Rule, findings, rules_of
from tests.template.stacks import resolved
from tests.template.tampering import Mutation

RULES = [
    rule
    for module in (access_rules, api_rules, resource_rules, team_rules)
    for rule in rules_of(module)
]
SPOILT = [
    (rule, what, mutation)
    for module in (faulty_access, faulty_api, faulty_resources, faulty_teams)
    for rule, mutations in module.SPOILT.items()
    for what, mutation in mutations.items()
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_template_satisfies_each_rule(rule: Rule) -> None:
    """The rule is explained by its docstring."""
    assert findings(rule) == []


@pytest.mark.parametrize(
    ("rule", "mutation"),
    [pytest.param(rule, spoil, id=f"{rule.__name__}: {what}") for rule, what, spoil in SPOILT],
)
def test_a_template_that_breaks_a_rule_is_detected(rule: Rule, mutation: Mutation) -> None:
    """The rule returns findings."""
    assert findings(rule, mutation)


def test_each_rule_has_a_template_that_breaks_it() -> None:
    """In `SPOILT`."""
    assert set(RULES) == {rule for rule, _, _ in SPOILT}


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
