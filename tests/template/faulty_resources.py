"""Templates with wrong resources or alarms, each with the rule that must detect it."""

from tests.template import resource_rules
from tests.template.rules import FaultyTemplates
from tests.template.tampering import (
    default,
    drop,
    drop_attribute,
    global_setting,
    in_operations,
    properties,
    put,
)

FAULTY: FaultyTemplates = {
    resource_rules.the_table_is_encrypted_and_protected: {
        "unprotected": drop("TokenTable", "DeletionProtectionEnabled"),
        "no recovery": drop("TokenTable", "PointInTimeRecoverySpecification"),
        "AWS's key": put("TokenTable", "SSESpecification", {"SSEEnabled": True}),
        "unswept": drop("TokenTable", "TimeToLiveSpecification"),
        "goes along": drop_attribute("TokenTable", "DeletionPolicy"),
    },
    resource_rules.the_key_is_rotated_and_retained: {
        "not rotated": put("TokenKey", "EnableKeyRotation", False),
        "goes along": drop_attribute("TokenKey", "DeletionPolicy"),
        "gone in a week": put("TokenKey", "PendingWindowInDays", 7),
    },
    resource_rules.client_layers_are_retained: {
        "the client goes": put("TokenBrokerClientLayer", "RetentionPolicy", "Delete"),
    },
    resource_rules.logs_are_encrypted_and_expire: {
        "for ever": drop("VntanaLogs", "RetentionInDays"),
        "in the clear": drop("AccessLogGroup", "KmsKeyId"),
        "goes along": drop_attribute("EditorLogs", "UpdateReplacePolicy"),
    },
    resource_rules.failures_alarm: {
        "one less": in_operations(lambda s: s["Resources"].pop("FailureUpstreamRefusedAlarm")),
        "of one flow": lambda s: properties(s, "FailureInternalAlarm")["Dimensions"].append(
            {"Name": "flow", "Value": "vntana"}
        ),
        "not there": lambda s: s["Resources"].pop("Operations"),
        "no topic is notified": lambda s: properties(s, "Operations")["Parameters"].__setitem__(
            "AlarmTopicArn", ""
        ),
        "silent": drop("CrashAlarm", "AlarmActions"),
        "a silent budget": in_operations(drop("AnsweredFastAlarm", "AlarmActions")),
    },
    resource_rules.corrupt_items_alarm: {
        "of any stage": in_operations(put("DamageAlarm", "Dimensions", [])),
    },
    resource_rules.throttles_alarm: {
        "a flow less": in_operations(lambda s: properties(s, "ThrottleAlarm")["Metrics"].pop()),
    },
    resource_rules.alarms_count_what_is_written: {
        "an average": in_operations(put("DamageAlarm", "Statistic", "Average")),
        "a sum of averages": in_operations(
            lambda s: properties(s, "ThrottleAlarm")["Metrics"][1]["MetricStat"].update(
                Stat="Average"
            )
        ),
        "the fourth failure": in_operations(put("CheckAlarm", "Threshold", 3)),
        "the thirtieth failure": put("FailureStoreUnavailableAlarm", "Threshold", 30),
        "an hour": in_operations(put("DamageAlarm", "Period", 3_600)),
        "a canary's time": put("FailureInternalAlarm", "Period", 300),
        "twice": put("CrashAlarm", "EvaluationPeriods", 2),
        "without data": in_operations(put("DamageAlarm", "TreatMissingData", "breaching")),
        "another metric": put("CrashAlarm", "MetricName", "Crash"),
    },
    resource_rules.budgets_alarm: {
        "a budget less": in_operations(lambda s: s["Resources"].pop("PromptSlowAlarm")),
        "one window is enough": in_operations(
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
        "one bad call more": in_operations(
            lambda s: properties(s, "AnsweredFastLongAlarm")["Metrics"][0].update(
                Expression="IF(FILL(bad, 0) > 10, 1, 0)"
            )
        ),
        "a slower rate": in_operations(put("AnsweredSlowLongAlarm", "Threshold", 0.06)),
        "of one flow": in_operations(
            lambda s: properties(s, "AnsweredFastLongAlarm")["Metrics"][1]["MetricStat"]["Metric"][
                "Dimensions"
            ].append({"Name": "flow", "Value": "vntana"})
        ),
    },
    resource_rules.crashes_are_counted: {
        "not of a flow": put("EditorCrashes", "LogGroupName", "another"),
        "every failure": put("VntanaCrashes", "FilterPattern", '?"ERROR" ?"REPORT"'),
    },
    resource_rules.deployments_are_gradual_and_rolled_back: {
        "all at once": default("DeploymentType", "AllAtOnce"),
        "by an upstream": lambda s: s["Globals"]["Function"]["DeploymentPreference"][
            "Alarms"
        ].append({"Fn::Sub": "token-broker-${Stage}-upstream_unavailable"}),
    },
    resource_rules.functions_have_the_required_settings: {
        "too long": global_setting("Timeout", 30),
        "renamed": put("EditorFunction", "FunctionName", "editor"),
        "bare": lambda s: s["Globals"]["Function"].pop("Layers"),
        "no table": lambda s: s["Globals"]["Function"]["Environment"]["Variables"].pop(
            "TABLE_NAME"
        ),
        "metrics that no alarm watches": lambda s: s["Globals"]["Function"]["Environment"][
            "Variables"
        ].update(POWERTOOLS_SERVICE_NAME="token-broker"),
    },
    resource_rules.failed_invocations_are_repeated_for_an_hour: {
        "repeated": lambda s: s["Globals"]["Function"].pop("EventInvokeConfig"),
    },
}
