"""Templates that forget to keep, or to tell: each with the rule that is to notice it."""

from tests.template import keeping
from tests.template.rules import Spoilt
from tests.template.tampering import (
    default,
    drop,
    drop_attribute,
    global_setting,
    in_operations,
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
    (keeping.key_is_kept, "gone in a week", put("TokenKey", "PendingWindowInDays", 7)),
    (
        keeping.layers_of_callers_stay,
        "the client goes",
        put("TokenBrokerClientLayer", "RetentionPolicy", "Delete"),
    ),
    (keeping.logs_are_kept, "for ever", drop("VntanaLogs", "RetentionInDays")),
    (keeping.logs_are_kept, "in the clear", drop("AccessLogGroup", "KmsKeyId")),
    (keeping.logs_are_kept, "goes along", drop_attribute("EditorLogs", "UpdateReplacePolicy")),
    (
        keeping.failures_alarm,
        "one less",
        in_operations(lambda s: s["Resources"].pop("FailureUpstreamRefusedAlarm")),
    ),
    (
        keeping.failures_alarm,
        "of one flow",
        lambda s: properties(s, "FailureInternalAlarm")["Dimensions"].append(
            {"Name": "flow", "Value": "vntana"}
        ),
    ),
    (keeping.failures_alarm, "not there", lambda s: s["Resources"].pop("Operations")),
    (
        keeping.failures_alarm,
        "nobody is told",
        lambda s: properties(s, "Operations")["Parameters"].__setitem__("AlarmTopicArn", ""),
    ),
    (
        keeping.damage_alarms,
        "of any stage",
        in_operations(put("DamageAlarm", "Dimensions", [])),
    ),
    (
        keeping.throttles_alarm,
        "a flow less",
        in_operations(lambda s: properties(s, "ThrottleAlarm")["Metrics"].pop()),
    ),
    (
        keeping.alarms_count_what_is_written,
        "an average",
        in_operations(put("DamageAlarm", "Statistic", "Average")),
    ),
    (
        keeping.alarms_count_what_is_written,
        "a sum of averages",
        in_operations(
            lambda s: properties(s, "ThrottleAlarm")["Metrics"][1]["MetricStat"].update(
                Stat="Average"
            )
        ),
    ),
    (
        keeping.alarms_count_what_is_written,
        "the fourth failure",
        in_operations(put("CheckAlarm", "Threshold", 3)),
    ),
    (
        keeping.alarms_count_what_is_written,
        "without data",
        in_operations(put("DamageAlarm", "TreatMissingData", "breaching")),
    ),
    (
        keeping.alarms_count_what_is_written,
        "another metric",
        put("CrashAlarm", "MetricName", "Crash"),
    ),
    (keeping.failures_alarm, "silent", drop("CrashAlarm", "AlarmActions")),
    (
        keeping.failures_alarm,
        "a silent budget",
        in_operations(drop("AnsweredFastAlarm", "AlarmActions")),
    ),
    (
        keeping.budgets_alarm,
        "a budget less",
        in_operations(lambda s: s["Resources"].pop("PromptSlowAlarm")),
    ),
    (
        keeping.budgets_alarm,
        "one window is enough",
        in_operations(
            lambda s: put(
                "AnsweredFastAlarm",
                "AlarmRule",
                {
                    "Fn::Sub": properties(s, "AnsweredFastAlarm")["AlarmRule"]["Fn::Sub"].replace(
                        " AND ", " OR "
                    )
                },
            )(s)
        ),
    ),
    (
        keeping.budgets_alarm,
        "a slower rate",
        in_operations(put("AnsweredSlowLongAlarm", "Threshold", 0.06)),
    ),
    (
        keeping.budgets_alarm,
        "of one flow",
        in_operations(
            lambda s: properties(s, "AnsweredFastLongAlarm")["Metrics"][1]["MetricStat"]["Metric"][
                "Dimensions"
            ].append({"Name": "flow", "Value": "vntana"})
        ),
    ),
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
            {"Fn::Sub": "token-broker-${Stage}-upstream_unavailable"}
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
        keeping.functions_are_as_agreed,
        "metrics that no alarm watches",
        lambda s: s["Globals"]["Function"]["Environment"]["Variables"].update(
            POWERTOOLS_SERVICE_NAME="token-broker"
        ),
    ),
    (
        keeping.what_fails_is_repeated_for_an_hour,
        "repeated",
        lambda s: s["Globals"]["Function"].pop("EventInvokeConfig"),
    ),
]
