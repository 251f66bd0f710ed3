"""Templates that forget to keep, or to tell: each with the rule that is to notice it."""

from tests.template import keeping
from tests.template.rules import Spoilt
from tests.template.tampering import (
    default,
    drop,
    drop_attribute,
    global_setting,
    properties,
    put,
)

SPOILT: list[Spoilt] = [
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
    (
        keeping.damage_alarms,
        "a flow less",
        lambda s: properties(s, "DamageAlarm")["Metrics"].pop(),
    ),
    (keeping.failures_alarm, "silent", drop("CrashAlarm", "AlarmActions")),
    (keeping.crashes_are_counted, "not of a flow", put("EditorCrashes", "LogGroupName", "another")),
    (
        keeping.crashes_are_counted,
        "every failure",
        put("VntanaCrashes", "FilterPattern", '?"ERROR" ?"REPORT"'),
    ),
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
