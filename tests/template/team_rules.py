"""Rules about the resources of teams. Each returns its findings in a stack."""

from collections.abc import Iterator

from tests.template.documents import Template
from tests.template.subjects import FLOWS

TEAM = "Team1Stack"


def teams_invoke_as_themselves(stack: Template) -> Iterator[str]:
    """A team's policy for a flow is to invoke that flow's function by the team's own alias."""
    for flow in FLOWS:
        alias = stack[f"{TEAM}.{flow.capitalize()}Alias"]["Properties"]
        if (alias["FunctionName"], alias["Name"]) != (f"token-broker-prod-{flow}", "team-orders"):
            yield f"the alias is {alias['Name']} of {alias['FunctionName']}"
        policy = stack[f"{TEAM}.Invoke{flow.capitalize()}"]["Properties"]["PolicyDocument"]
        invoke = ("Allow", "lambda:InvokeFunction", f"<{flow.capitalize()}Alias>")
        for statement in policy["Statement"]:
            if tuple(statement.get(each) for each in ("Effect", "Action", "Resource")) != invoke:
                yield f"the team's policy has {statement}"


def teams_follow_the_canary(stack: Template) -> Iterator[str]:
    """A team's alias gets the version of `live`, after `live`."""
    nested = stack[TEAM]
    for flow in FLOWS:
        name = f"{flow.capitalize()}FunctionAliaslive"
        version = nested["Properties"]["Parameters"][f"{flow.capitalize()}Version"]
        if name not in nested.get("DependsOn", []):
            yield f"the team's alias of {flow} does not depend on `live`"
        if version != stack[name]["Properties"]["FunctionVersion"]:
            yield f"the team's alias of {flow} has the version {version}"
        if stack[f"{TEAM}.{flow.capitalize()}Alias"]["Properties"]["FunctionVersion"] != version:
            yield f"the team's alias of {flow} has another version than the parameter"


def teams_have_limits(stack: Template) -> Iterator[str]:
    """Each team has a key, which counts for this stage and is limited."""
    plan, key = stack[f"{TEAM}.Plan"]["Properties"], stack[f"{TEAM}.PlanKey"]["Properties"]
    if plan["ApiStages"] != [{"ApiId": "<TokenBrokerApi>", "Stage": "prod"}]:
        yield f"the plan is for {plan['ApiStages']}"
    if not plan.get("Throttle", {}).get("RateLimit"):
        yield "the plan has no limit"
    if (key["KeyId"], key["UsagePlanId"]) != ("<Key>", "<Plan>"):
        yield "the key has no plan"
    if stack[f"{TEAM}.Key"]["Properties"]["Enabled"] is not True:
        yield "the key is switched off"
