"""What must be kept is kept and failures are told, and a template that forgets is found out."""

import pytest

from tests.template import keeping
from tests.template.rules import Rule, findings, rules_of
from tests.template.tampering import (
    Mutation,
    default,
    drop,
    drop_attribute,
    global_setting,
    properties,
    put,
)

TAMPERED: list[tuple[Rule, str, Mutation]] = [
    (keeping.table_is_kept, "unprotected", drop("TokenTable", "DeletionProtectionEnabled")),
    (keeping.table_is_kept, "no recovery", drop("TokenTable", "PointInTimeRecoverySpecification")),
    (
        keeping.table_is_kept,
        "AWS's key",
        put("TokenTable", "SSESpecification", {"SSEEnabled": True}),
    ),
    (keeping.table_is_kept, "unswept", drop("TokenTable", "TimeToLiveSpecification")),
    (keeping.table_is_kept, "goes along", drop_attribute("TokenTable", "DeletionPolicy")),
    (keeping.key_is_kept, "not rotated", put("TokenKey", "EnableKeyRotation", False)),
    (keeping.key_is_kept, "goes along", drop_attribute("TokenKey", "DeletionPolicy")),
    (keeping.logs_are_kept, "for ever", drop("VntanaLogs", "RetentionInDays")),
    (keeping.logs_are_kept, "in the clear", drop("AccessLogGroup", "KmsKeyId")),
    (keeping.logs_are_kept, "goes along", drop_attribute("EditorLogs", "UpdateReplacePolicy")),
    (
        keeping.failures_alarm,
        "one less",
        put("FailureUpstreamRefusedAlarm", "Metrics", []),
    ),
    (
        keeping.failures_alarm,
        "a flow less",
        lambda s: properties(s, "FailureInternalAlarm")["Metrics"].pop(),
    ),
    (keeping.failures_alarm, "silent", drop("CrashAlarm", "AlarmActions")),
    (keeping.deployments_are_guarded, "all at once", default("DeploymentType", "AllAtOnce")),
    (
        keeping.deployments_are_guarded,
        "by an upstream",
        lambda s: s["Globals"]["Function"]["DeploymentPreference"]["Alarms"].append(
            {"Ref": "FailureUpstreamUnavailableAlarm"}
        ),
    ),
    (keeping.functions_are_as_agreed, "too long", global_setting("Timeout", 30)),
    (keeping.functions_are_as_agreed, "renamed", put("EditorFunction", "FunctionName", "editor")),
    (keeping.functions_are_as_agreed, "bare", lambda s: s["Globals"]["Function"].pop("Layers")),
    (
        keeping.functions_are_as_agreed,
        "no table",
        lambda s: s["Globals"]["Function"]["Environment"]["Variables"].pop("TABLE_NAME"),
    ),
    (
        keeping.calls_of_its_own_are_not_repeated,
        "repeated",
        lambda s: s["Globals"]["Function"].pop("EventInvokeConfig"),
    ),
]


@pytest.mark.parametrize("rule", rules_of(keeping), ids=lambda rule: rule.__name__)
def test_the_template_keeps(rule: Rule) -> None:
    """The rule's docstring says what."""
    assert findings(rule) == []


@pytest.mark.parametrize(
    ("rule", "mutation"),
    [pytest.param(rule, spoil, id=f"{rule.__name__}: {what}") for rule, what, spoil in TAMPERED],
)
def test_is_noticed(rule: Rule, mutation: Mutation) -> None:
    """A template that breaks the rule has findings."""
    assert findings(rule, mutation)


def test_every_rule_is_tried() -> None:
    """None is without a template that breaks it."""
    assert set(rules_of(keeping)) == {rule for rule, _, _ in TAMPERED}
