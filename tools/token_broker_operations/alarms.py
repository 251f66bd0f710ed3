"""The alarms of the stack, as resources of the template."""

from collections.abc import Mapping, Sequence
from typing import Any

from token_broker_operations.flows import Flow
from token_broker_operations.signals import PERIOD, PROMPT, SIGNALS, Signal

NAMESPACE = "TokenBroker"
RUNBOOK = "docs/operations.md"
Resource = Mapping[str, Any]


def sub(text: str) -> Mapping[str, str]:
    """Return *text* with the template's parameters put in."""
    return {"Fn::Sub": text}


def guards() -> dict[str, Resource]:
    """Return the alarms that take a deployment back, which are in the stack itself.

    A deployment names them. What counts crashes stands beside each flow's log.
    """
    ours = {
        f"Failure{signal.name}Alarm": failure_alarm(signal) for signal in SIGNALS if signal.guards
    }
    return {"CrashAlarm": crash_alarm(), **ours}


def watches(flows: Sequence[Flow]) -> dict[str, Resource]:
    """Return the other alarms, which are in a stack of their own within the stack."""
    failures = {
        f"Failure{signal.name}Alarm": failure_alarm(signal)
        for signal in SIGNALS
        if not signal.guards
    }
    others = {"ThrottleAlarm": throttle_alarm(flows), "DamageAlarm": damage_alarm()}
    return {**others, "CheckAlarm": check_alarm(), **failures}


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
    """Return the alarm for functions that Lambda does not start for want of concurrency.

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


def damage_alarm() -> Resource:
    """Return the alarm for items that were taken for absent: nobody fails, and somebody wrote."""
    meaning = "Items of the table do not open, or lack a part."
    return alarm("damaged", meaning, 0, 1, counted("Damaged", PERIOD))


def check_alarm() -> Resource:
    """Return the alarm for a check that found a connection not to work."""
    meaning = "A check, of a schedule or of an operator, found that a connection does not work."
    return alarm("check", meaning, 0, 1, counted("CheckFailed", PERIOD))


def failure_alarm(signal: Signal) -> Resource:
    """Return the alarm for one code of the errors."""
    metric = counted("Failure", signal.period, code=signal.code)
    return alarm(signal.code, signal.meaning, signal.above, signal.periods, metric)


def counted(metric: str, period: int, **dimensions: str) -> Resource:
    """Return what counts *metric* over all flows: it has a set of dimensions without the flow."""
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
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties | dict(metric)}
