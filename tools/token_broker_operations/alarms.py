"""The alarms of the stack, as resources of the template."""

from collections.abc import Mapping
from typing import Any

from token_broker_operations.signals import PERIOD, PROMPT, SIGNALS, Signal

FLOWS = ("vntana", "vendorlink", "editor")
NAMESPACE = "TokenBroker"
RUNBOOK = "docs/operations.md"
CRASHES = (
    "Runtime.Unknown",
    "Runtime.ImportModuleError",
    "Runtime.UserCodeSyntaxError",
    "Runtime.BuiltInModuleConflict",
    "Runtime.HandlerNotFound",
    "Runtime.MalformedHandlerName",
    "Runtime.MarshalError",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Task timed out",
)
"""What Lambda itself writes when a function cannot start or does not end. No metric counts that
alone: Lambda's own metric Errors also has every failure that a direct invocation is told of.

The runtime gives a name to an import that raises ImportError or SyntaxError. Any other exception
while a module is loaded (TypeError, a wrong environment) is the platform's `Runtime.Unknown`."""

Resource = Mapping[str, Any]


def sub(text: str) -> Mapping[str, str]:
    """Return *text* with the template's parameters put in."""
    return {"Fn::Sub": text}


def resources() -> dict[str, Resource]:
    """Return every alarm by its logical name, and what they count that nobody counts for them."""
    crashes = {f"{flow.capitalize()}Crashes": crash_filter(flow) for flow in FLOWS}
    failures = {f"Failure{signal.name}Alarm": failure_alarm(signal) for signal in SIGNALS}
    others = {
        "CrashAlarm": crash_alarm(),
        "ThrottleAlarm": throttle_alarm(),
        "DamageAlarm": damage_alarm(),
    }
    return crashes | others | failures


def crash_filter(flow: str) -> Resource:
    """Return what counts the crashes of one flow's function."""
    return {
        "Type": "AWS::Logs::MetricFilter",
        "Properties": {
            "LogGroupName": {"Ref": f"{flow.capitalize()}Logs"},
            "FilterPattern": " ".join(f'?"{crash}"' for crash in CRASHES),
            "MetricTransformations": [
                {
                    "MetricNamespace": NAMESPACE,
                    "MetricName": sub("Crash-${Stage}"),
                    "MetricValue": "1",
                }
            ],
        },
    }


def crash_alarm() -> Resource:
    """Return the alarm for a function that cannot start or does not end."""
    counted = {
        "Namespace": NAMESPACE,
        "MetricName": sub("Crash-${Stage}"),
        "Statistic": "Sum",
        "Period": PROMPT,
    }
    return alarm("crash", "A function could not start, or did not end in time.", 0, 1, counted)


def throttle_alarm() -> Resource:
    """Return the alarm for functions that Lambda does not start for want of concurrency."""
    dimensions = [
        [{"Name": "FunctionName", "Value": {"Ref": f"{flow.capitalize()}Function"}}]
        for flow in FLOWS
    ]
    counted = total("AWS/Lambda", "Throttles", dimensions, PERIOD)
    return alarm("throttled", "Lambda refuses calls: too little concurrency.", 10, 2, counted)


def damage_alarm() -> Resource:
    """Return the alarm for items that were taken for absent: nobody fails, and somebody wrote."""
    dimensions = [
        [
            {"Name": "service", "Value": sub("token-broker-${Stage}")},
            {"Name": "flow", "Value": flow},
        ]
        for flow in FLOWS
    ]
    counted = total(NAMESPACE, "Damaged", dimensions, PERIOD)
    return alarm("damaged", "Items of the table do not open, or lack a part.", 0, 1, counted)


def failure_alarm(signal: Signal) -> Resource:
    """Return the alarm for one code of the errors."""
    dimensions = [
        [
            {"Name": "service", "Value": sub("token-broker-${Stage}")},
            {"Name": "flow", "Value": flow},
            {"Name": "code", "Value": signal.code},
        ]
        for flow in FLOWS
    ]
    counted = total(NAMESPACE, "Failure", dimensions, signal.period)
    return alarm(signal.code, signal.meaning, signal.above, signal.periods, counted)


def total(namespace: str, metric: str, dimensions: list[list[Any]], period: int) -> Resource:
    """Return the sum of one metric over the flows."""
    parts = [
        {
            "Id": flow,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": named},
                "Period": period,
                "Stat": "Sum",
            },
        }
        for flow, named in zip(FLOWS, dimensions, strict=True)
    ]
    return {"Metrics": [{"Id": "all", "Expression": "SUM(METRICS())", "ReturnData": True}, *parts]}


def alarm(code: str, meaning: str, above: int, periods: int, counted: Resource) -> Resource:
    """Return an alarm that says what it means and where to read what to do."""
    told = {"Fn::If": ["Alarmed", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    properties: dict[str, Any] = {
        "AlarmName": sub(f"token-broker-${{Stage}}-{code}"),
        "AlarmDescription": f"{meaning} {RUNBOOK}#{code}",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": above,
        "EvaluationPeriods": periods,
        "TreatMissingData": "notBreaching",
        "AlarmActions": told,
        "OKActions": told,
    }
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties | dict(counted)}
