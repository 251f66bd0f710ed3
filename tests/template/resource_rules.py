"""Rules about resources, functions and alarms. Each returns its findings in a stack."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from tests.template.documents import Template
from tests.template.iam import many
from tests.template.metric_math import value_of
from tests.template.subjects import FLOWS, KEY_ARN, TABLE, of_type, text
from token_broker_operations.signals import BURNS, LEAST_BAD, OBJECTIVES, SIGNALS, codes

SERVICE = "token-broker-prod"
"""The dimension that distinguishes the stages."""

ROLLBACK_ALARMS = {"<CrashAlarm>"} | {
    f"<Failure{signal.name}Alarm>" for signal in SIGNALS if signal.whose == "ours"
}
"""The alarms that roll a deployment back."""

CRASHES = (
    "INIT_REPORT Init Duration: 140.53 ms\tPhase: init\tStatus: error\tError Type: Runtime.Unknown",
    "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'x'",
    "[ERROR] Runtime.UserCodeSyntaxError: Syntax error in module 'app': invalid syntax",
    "[ERROR] Runtime.BuiltInModuleConflict: Cannot use built-in module as a handler module",
    "[ERROR] Runtime.HandlerNotFound: Handler 'handler' undefined on module 'app'",
    "[ERROR] Runtime.MalformedHandlerName: Bad handler 'app': not enough values to unpack",
    "[ERROR] Runtime.MarshalError: Unable to marshal response",
    "REPORT RequestId: 1\tDuration: 9.81 ms\tStatus: error\tError Type: Runtime.ExitError",
    "REPORT RequestId: 1\tDuration: 9.81 ms\tStatus: error\tError Type: Runtime.OutOfMemory",
    "2026-01-01T00:00:00.000Z 1 Task timed out after 20.00 seconds",
)
"""Lines of Lambda in the log of a function that crashes or times out."""

NO_CRASHES = (
    "INIT_START Runtime Version: python:3.13.v50\tRuntime Version ARN: arn:aws:lambda:x::runtime:y",
    "REPORT RequestId: 1\tDuration: 9.81 ms\tBilled Duration: 10 ms\tMax Memory Used: 90 MB",
    '[ERROR] CredentialRejected: {"code": "credential_rejected"}',
)
"""Lines of a function that works, and of an error that a direct invocation gets."""

VARIABLES = {
    "EVENT_BUS_NAME": "token-broker-prod",
    "INTERNAL_HOSTS": None,
    "KEY_ID": KEY_ARN,
    "LEASE_SKEW_SECONDS": None,
    "MEMORY_ENTRIES": None,
    "MEMORY_SECONDS": None,
    "POWERTOOLS_LOG_LEVEL": None,
    "POWERTOOLS_METRICS_NAMESPACE": "TokenBroker",
    "POWERTOOLS_SERVICE_NAME": SERVICE,
    "STAGE": "prod",
    "TABLE_NAME": TABLE,
}
"""Each function's environment; None is the value of a parameter."""


REQUIRED: Mapping[str, Mapping[str, Any]] = {
    "DynamoDB::Table": {
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY_ARN},
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
    },
    "KMS::Key": {"EnableKeyRotation": True, "PendingWindowInDays": 30},
    "Logs::LogGroup": {"KmsKeyId": KEY_ARN},
    "Lambda::Function": {"Runtime": "python3.13", "Handler": "app.handler"},
    # A rotation that AWS interrupts is tried again for an hour.
    "Lambda::EventInvokeConfig": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600},
    "ApiGateway::DomainName": {"SecurityPolicy": "TLS_1_2"},
    "CloudWatch::Alarm": {
        "TreatMissingData": "notBreaching",
        "ComparisonOperator": "GreaterThanThreshold",
    },
}
"""Properties of each resource of a type."""


def resources_have_the_required_properties(stack: Template) -> Iterator[str]:
    """Table and logs are encrypted by the key, which is rotated; what is deleted comes back."""
    for kind, required in REQUIRED.items():
        for name, properties in of_type(stack, kind).items():
            for key, value in required.items():
                if properties.get(key) != value:
                    yield f"{name} has the {key} {properties.get(key)}"


def data_outlives_the_stack(stack: Template) -> Iterator[str]:
    """Table, key and logs are neither deleted with the stack nor when they are replaced.

    Nor are the account's role for API Gateway's logs, by which other APIs log, and its setting.
    Callers are attached to old versions of the client's layer, which stay; the broker's go.
    """
    for name, resource in stack.items():
        policies = (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
        kind = resource["Type"].removeprefix("AWS::")
        if kind in {"DynamoDB::Table", "KMS::Key", "Logs::LogGroup"}:
            if policies != ("RetainExceptOnCreate", "Retain"):
                yield f"{name} has the policies {policies}"
        elif name in {"ApiAccount", "ApiAccountRole"}:
            if policies != ("Retain", "Retain"):
                yield f"{name} has the policies {policies}"
        elif kind == "Lambda::LayerVersion":
            wanted = "Retain" if name.startswith("TokenBrokerClientLayer") else "Delete"
            if policies[0] != wanted:
                yield f"the old version of {name} does not have the deletion policy {wanted}"


def functions_have_logs_that_expire(stack: Template) -> Iterator[str]:
    """Each function has a log of its own, and a log is kept for a time."""
    logs = of_type(stack, "Logs::LogGroup")
    named = {each["LogGroupName"] for each in logs.values()}
    for flow in FLOWS:
        if f"/aws/lambda/token-broker-prod-{flow}" not in named:
            yield f"{flow} has no log"
    for name, log in logs.items():
        if int(log.get("RetentionInDays", 0)) < 1:
            yield f"{name} never expires"


def failures_alarm(stack: Template) -> Iterator[str]:
    """Each error code has an alarm over all flows that notifies the topic.

    One that passes by itself counts against a budget instead, which `budgets_alarm` watches.
    """
    budgeted = {signal.code for signal in SIGNALS if signal.is_budgeted}
    for code in codes() - budgeted:
        if {"service": SERVICE, "code": code} not in watched(stack, "Failure"):
            yield f"{code} has no alarm"
    composite = of_type(stack, "CloudWatch::CompositeAlarm")
    rules = " ".join(alarm["AlarmRule"] for alarm in composite.values())
    for name, alarm in {**of_type(stack, "CloudWatch::Alarm"), **composite}.items():
        is_part = f'ALARM("{alarm["AlarmName"]}")' in rules
        if not is_part and alarm.get("AlarmActions") != ["arn:topic"]:
            yield f"{name} notifies no topic"


def budgets_alarm(stack: Template) -> Iterator[str]:
    """Each objective's budget is watched, fast and slow, over a long and a short window both.

    Few calls are no measure: the long window rings from a number of bad ones, the short from one.
    """
    alarms = {each["AlarmName"]: each for each in of_type(stack, "CloudWatch::Alarm").values()}
    members = {
        each["AlarmName"]: re.findall(r'ALARM\("([^"]+)"\)', each["AlarmRule"])
        for each in of_type(stack, "CloudWatch::CompositeAlarm").values()
        if " OR " not in each["AlarmRule"]
    }
    for objective, burn in product(OBJECTIVES, BURNS):
        name = f"{SERVICE}-{objective.name}_{burn.name}"
        windows = {burn.long_seconds: LEAST_BAD, burn.short_seconds: 1}
        found = [alarms[part] for part in members.get(name, []) if part in alarms]
        seconds = [of["Period"] for each in found for of, _ in sums(each).values()]
        if sorted(seconds) != sorted([*windows] * 2):
            yield f"{name} has the periods {seconds}"
        for each in found:
            if each["Threshold"] != round(burn.rate * objective.budget, 6):
                yield f"{name} has another threshold than its burn rate"
            wanted = {"bad": (objective.bad, SERVICE), "good": (objective.counted, SERVICE)}
            if {part: metric for part, (_, metric) in sums(each).items()} != wanted:
                yield f"{name} has other metrics"
            least = windows.get(min(of["Period"] for of, _ in sums(each).values()), 0)
            for bad, good in ((0, 0), (0, 99), (least - 1, 99), (least, 99), (least, 0)):
                calls = good + bad if objective.is_beside else good
                share = bad / calls if bad >= least and calls else 0
                # CloudWatch has no data for a count of zero.
                if (value_of(each, {"bad": bad or None, "good": good or None}) or 0) != share:
                    yield f"{name} has another share than {bad} of {calls} calls"


def composite_alarms_follow_their_parts(stack: Template) -> Iterator[str]:
    """CloudWatch takes no rule about an alarm that is not there, and the rule is no reference."""
    named = {
        each["AlarmName"]: name.rpartition(".")[2]
        for name, each in of_type(stack, "CloudWatch::Alarm").items()
    }
    for name, alarm in of_type(stack, "CloudWatch::CompositeAlarm").items():
        for part in re.findall(r'ALARM\("([^"]+)"\)', alarm["AlarmRule"]):
            if named.get(part) not in stack[name].get("DependsOn", ()):
                yield f"{name} may be made before {part}"


BY_TEXT = {
    "Lambda::EventInvokeConfig": ("Lambda::Alias", ("FunctionName", "Name")),
    "WAFv2::WebACLAssociation": ("ApiGateway::Stage", ("StageName",)),
    "ApiGateway::UsagePlan": ("ApiGateway::Stage", ("StageName",)),
}
"""Types of resources that name one of another type by texts, with the properties of those texts."""


def resources_exist_before_their_names_are_used(stack: Template) -> Iterator[str]:
    """CloudFormation sees no order in a name that is a text. A nested stack waits as a whole."""
    for kind, (named, properties) in BY_TEXT.items():
        for (name, user), (other, used) in product(
            of_type(stack, kind).items(), of_type(stack, named).items()
        ):
            words = (rf"(?<![\w-]){re.escape(used[each])}(?![\w-])" for each in properties)
            if not all(re.search(word, text(user)) for word in words):
                continue
            (outer, _, _), (place, _, inner) = name.rpartition("."), other.rpartition(".")
            waiting = name if place == outer else outer
            if inner not in many(stack[waiting].get("DependsOn", [])):
                yield f"{waiting} may be made before {other}"


def sums(alarm: Template) -> dict[str, tuple[Template, tuple[str, ...]]]:
    """Return the metrics of an alarm's expression, by id: how counted, name and dimensions."""
    return {
        each["Id"]: (
            each["MetricStat"],
            (
                each["MetricStat"]["Metric"]["MetricName"],
                *(of["Value"] for of in each["MetricStat"]["Metric"]["Dimensions"]),
            ),
        )
        for each in alarm["Metrics"]
        if "MetricStat" in each
    }


def corrupt_items_alarm(stack: Template) -> Iterator[str]:
    """An alarm counts corrupt items of all flows."""
    if {"service": SERVICE} not in watched(stack, "Damaged"):
        yield "corrupt items have no alarm"


def watched(stack: Template, metric: str) -> list[dict[str, str]]:
    """Return the dimensions of the alarms on a metric of the broker."""
    return [
        {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
        for alarm in of_type(stack, "CloudWatch::Alarm").values()
        if (alarm.get("Namespace"), alarm.get("MetricName")) == ("TokenBroker", metric)
    ]


MAX_THRESHOLDS = {"crash": 0, "damaged": 0, "check": 0, "throttled": 10} | {
    signal.code: 100 if signal.whose == "caller" else 3 for signal in SIGNALS
}
"""The highest threshold of each alarm, except a budget's, which is a share."""

MAX_PERIOD_SECONDS = 300
"""The longest period in seconds of an alarm, except a budget's windows."""

MAX_PERIODS = {"throttled": 2} | {signal.code: 3 for signal in SIGNALS if signal.whose == "caller"}
"""In how many periods in a row there must be too many, where one does not suffice."""

CANARY_PERIOD_SECONDS = 60
"""The same of an alarm that takes a deployment back: a canary takes five minutes."""


def alarms_count_what_is_written(stack: Template) -> Iterator[str]:
    """An alarm sums a metric, rings in time and not for want of data; crashes are the filters'."""
    counted = {
        each["MetricTransformations"][0]["MetricName"]
        for each in of_type(stack, "Logs::MetricFilter").values()
    }
    for name, alarm in of_type(stack, "CloudWatch::Alarm").items():
        parts = [each["MetricStat"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
        if {alarm.get("Statistic", "Sum"), *(part["Stat"] for part in parts)} != {"Sum"}:
            yield f"{name} is not a sum"
        if alarm["Threshold"] < 0:
            yield f"{name} rings for a count of none"
        about = alarm["AlarmName"].removeprefix(f"{SERVICE}-")
        if alarm["Threshold"] > MAX_THRESHOLDS.get(about, alarm["Threshold"]):
            yield f"{name} has a threshold that is too high"
        periods = [alarm.get("Period", 0), *(part["Period"] for part in parts)]
        longest = CANARY_PERIOD_SECONDS if f"<{name}>" in ROLLBACK_ALARMS else MAX_PERIOD_SECONDS
        if about in MAX_THRESHOLDS and max(periods) > longest:
            yield f"{name} has a period of {max(periods)} s"
        if alarm["EvaluationPeriods"] > MAX_PERIODS.get(about, 1):
            yield f"{name} waits {alarm['EvaluationPeriods']} times"
        if about == "crash" and {alarm["MetricName"]} != counted:
            yield f"{name} watches a metric that no filter writes"


def throttles_alarm(stack: Template) -> Iterator[str]:
    """An alarm counts throttled invocations of all flows."""
    [alarm] = [
        each
        for each in of_type(stack, "CloudWatch::Alarm").values()
        if each["AlarmName"] == f"{SERVICE}-throttled"
    ]
    counted = {metric: part for part, (_, metric) in sums(alarm).items()}
    for flow in FLOWS:
        if ("Throttles", f"{SERVICE}-{flow}") not in counted:
            yield f"throttled calls of {flow} have no alarm"
    for values in (
        dict.fromkeys(counted.values(), 4),
        dict.fromkeys(counted.values()) | {FLOWS[0]: 4},
    ):
        if value_of(alarm, values) != sum(filter(None, values.values())):
            yield f"{values} throttled calls are not added up"


def crashes_are_counted(stack: Template) -> Iterator[str]:
    """A metric filter counts crashes and timeouts of every flow, and no failures."""
    filters = {
        each["LogGroupName"]: re.findall(r'\?"([^"]+)"', each["FilterPattern"])
        for each in of_type(stack, "Logs::MetricFilter").values()
    }
    for flow in FLOWS:
        terms = filters.get(f"<{flow.capitalize()}Logs>", [])
        for line in CRASHES + NO_CRASHES:
            if any(term in line for term in terms) is not (line in CRASHES):
                yield f"the filter of {flow} classifies wrongly: {line}"


def deployments_are_gradual_and_rolled_back(stack: Template) -> Iterator[str]:
    """A version gets its traffic gradually, and is rolled back only by the broker's alarms."""
    groups = of_type(stack, "CodeDeploy::DeploymentGroup")
    for flow in FLOWS:
        group = groups.get(f"{flow.capitalize()}FunctionDeploymentGroup", {})
        alarms = group.get("AlarmConfiguration", {}).get("Alarms", [])
        if {alarm["Name"] for alarm in alarms} != ROLLBACK_ALARMS:
            yield f"the deployment of {flow} has other alarms"
        if "AllAtOnce" in text(group.get("DeploymentConfigName")):
            yield f"the deployment of {flow} is all at once"


def functions_have_the_required_settings(stack: Template) -> Iterator[str]:
    """Name, timeout, environment and layer are those that the code requires."""
    for flow in FLOWS:
        function = stack[f"{flow.capitalize()}Function"]["Properties"]
        if function["FunctionName"] != f"token-broker-prod-{flow}":
            yield f"{flow} has another name than its policy has"
        if not 15 <= int(function["Timeout"]) <= 28:
            yield f"{flow} has a timeout of {function['Timeout']} s, and API Gateway 29"
        variables = function["Environment"]["Variables"]
        fixed = {name: value for name, value in VARIABLES.items() if value is not None}
        if variables.keys() != VARIABLES.keys() or not fixed.items() <= variables.items():
            yield f"{flow} has another environment"
        if not function.get("Layers"):
            yield f"{flow} lacks the layer"
        waits_for = many(stack[f"{flow.capitalize()}Function"].get("DependsOn", []))
        if f"{flow.capitalize()}Policy" not in waits_for:
            yield f"{flow} may start before it has its permissions"


def failed_invocations_are_repeated(stack: Template) -> Iterator[str]:
    """Each alias says how an asynchronous invocation is tried again."""
    if len(of_type(stack, "Lambda::EventInvokeConfig")) != len(of_type(stack, "Lambda::Alias")):
        yield "an alias has no configuration of retries"
