"""The alarms of the stack, as resources of the template."""

from collections.abc import Mapping, Sequence
from typing import Any

from token_broker_operations.flows import Flow
from token_broker_operations.signals import (
    BURNS,
    LEAST_BAD,
    OBJECTIVES,
    PERIOD,
    PROMPT,
    SIGNALS,
    Burn,
    Objective,
    Signal,
)

NAMESPACE = "TokenBroker"
RUNBOOK = "docs/operations.md"
Resource = Mapping[str, Any]

DAMAGED = "Items of the table do not open, or lack a part."
CHECK_FAILED = "A check, of a schedule or of an operator, found that a connection does not work."

_TOPIC = {"Fn::If": ["Alarmed", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
NOTIFYING: dict[str, Any] = {"AlarmActions": _TOPIC, "OKActions": _TOPIC}
"""The actions of an alarm that notifies the SNS topic."""


def sub(text: str) -> Mapping[str, str]:
    """Return *text* with its template parameters substituted."""
    return {"Fn::Sub": text}


def guards() -> dict[str, Resource]:
    """Return the alarms that roll a deployment back, which are in the main stack.

    The deployment preference names them. The filter of crashes is beside each flow's log group.
    """
    ours = {
        f"Failure{signal.name}Alarm": failure_alarm(signal) for signal in SIGNALS if signal.guards
    }
    return {"CrashAlarm": crash_alarm(), **ours}


def watches(flows: Sequence[Flow]) -> dict[str, Resource]:
    """Return the other alarms, which are in the nested stack."""
    failures = {
        f"Failure{signal.name}Alarm": failure_alarm(signal)
        for signal in SIGNALS
        if not (signal.guards or signal.is_budgeted)
    }
    burns = {
        name: resource
        for objective in OBJECTIVES
        for burn in BURNS
        for name, resource in burn_alarms(objective, burn).items()
    }
    return {
        "ThrottleAlarm": throttle_alarm(flows),
        # No call fails by corrupt items, but an attacker may write them.
        "DamageAlarm": alarm("damaged", DAMAGED, 0, 1, counted("Damaged", PERIOD)),
        "CheckAlarm": alarm("check", CHECK_FAILED, 0, 1, counted("CheckFailed", PERIOD)),
        **failures,
        **burns,
    }


def crash_alarm() -> Resource:
    """Return the alarm for a function that cannot start or does not end."""
    metric = {
        "Namespace": NAMESPACE,
        "MetricName": sub("Crash-${Stage}"),
        "Statistic": "Sum",
        "Period": PROMPT,
    }
    return alarm("crash", "A function could not start, or did not end in time.", 0, 1, metric)


def throttle_alarm(flows: Sequence[Flow]) -> Resource:
    """Return the alarm for invocations that Lambda throttles for lack of concurrency.

    Lambda counts by function, so this one alarm is a sum.
    """
    parts = [
        {
            "Id": flow.name,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": "Throttles",
                    "Dimensions": [
                        {
                            "Name": "FunctionName",
                            "Value": sub(f"token-broker-${{Stage}}-{flow.name}"),
                        }
                    ],
                },
                "Period": PERIOD,
                "Stat": "Sum",
            },
        }
        for flow in flows
    ]
    total = {"Id": "all", "Expression": "SUM(METRICS())", "ReturnData": True}
    meaning = "Lambda refuses calls: too little concurrency."
    return alarm("throttled", meaning, 10, 2, {"Metrics": [total, *parts]})


def failure_alarm(signal: Signal) -> Resource:
    """Return the alarm for one code of the errors."""
    metric = counted("Failure", signal.period, code=signal.code)
    return alarm(signal.code, signal.meaning, signal.above, signal.periods, metric)


def burn_alarms(objective: Objective, burn: Burn) -> dict[str, Resource]:
    """Return the composite alarm of a *burn*, and those of its two windows, without actions."""
    code = f"{objective.name}_{burn.name}"
    name = objective.name.capitalize() + burn.name.capitalize()
    hours = burn.long_seconds // 3_600
    meaning = f"{objective.meaning}: {burn.spent:.0%} of the month's budget in {hours} h."
    parts = {
        f"{name}LongAlarm": window_alarm(objective, burn, burn.long_seconds, LEAST_BAD),
        f"{name}ShortAlarm": window_alarm(objective, burn, burn.short_seconds, 1),
    }
    windows = (each["Properties"]["AlarmName"]["Fn::Sub"] for each in parts.values())
    rule = sub(" AND ".join(f'ALARM("{window}")' for window in windows))
    whole = {
        "Type": "AWS::CloudWatch::CompositeAlarm",
        "DependsOn": list(parts),
        "Properties": named(code, meaning, objective.name) | {"AlarmRule": rule} | NOTIFYING,
    }
    return {f"{name}Alarm": whole, **parts}


def window_alarm(objective: Objective, burn: Burn, seconds: int, least: int) -> Resource:
    """Return the alarm for the burn rate over one window, from *least* bad calls on."""
    code = f"{objective.name}_{burn.name}"
    bad = "FILL(bad, 0)"
    calls = f"(FILL(good, 0) + {bad})" if objective.is_beside else "good"
    ratio = {
        "Id": "ratio",
        "Label": "Share that is bad",
        "Expression": f"IF({bad} >= {least}, {bad} / {calls}, 0)",
        "ReturnData": True,
    }
    parts = [
        {"Id": part, "ReturnData": False, "MetricStat": summed(metric, seconds)}
        for part, metric in (("bad", objective.bad), ("good", objective.counted))
    ]
    meaning = f"One of the two windows of {code}."
    properties = named(f"{code}_{seconds // 60}m", meaning, objective.name) | {
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": round(burn.rate * objective.budget, 6),
        "EvaluationPeriods": 1,
        "TreatMissingData": "notBreaching",
        "Metrics": [ratio, *parts],
    }
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


def summed(metric: str, seconds: int) -> Resource:
    """Return the sum of *metric* over all flows in so many *seconds*."""
    found = counted(metric, seconds)
    stated = {name: found[name] for name in ("Namespace", "MetricName", "Dimensions")}
    return {"Metric": stated, "Period": seconds, "Stat": "Sum"}


def counted(metric: str, period: int, **dimensions: str) -> Resource:
    """Return *metric* over all flows: with its set of dimensions without the flow."""
    named = [
        {"Name": "service", "Value": sub("token-broker-${Stage}")},
        *({"Name": name, "Value": value} for name, value in dimensions.items()),
    ]
    return {
        "Namespace": NAMESPACE,
        "MetricName": metric,
        "Dimensions": named,
        "Statistic": "Sum",
        "Period": period,
    }


def alarm(code: str, meaning: str, above: int, periods: int, metric: Resource) -> Resource:
    """Return an alarm whose description has its meaning and a link to the runbook."""
    properties = (
        named(code, meaning)
        | {
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": above,
            "EvaluationPeriods": periods,
            "TreatMissingData": "notBreaching",
        }
        | NOTIFYING
    )
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties | dict(metric)}


def named(code: str, meaning: str, anchor: str | None = None) -> dict[str, Any]:
    """Return an alarm's name and description: its meaning and a link to the runbook."""
    return {
        "AlarmName": sub(f"token-broker-${{Stage}}-{code}"),
        "AlarmDescription": f"{meaning} {RUNBOOK}#{anchor or code}",
    }
