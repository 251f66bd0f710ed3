"""Templates with wrong permissions of teams, each with the rule that must detect it."""

from tests.template import team_rules
from tests.template.rules import Spoilt
from tests.template.tampering import drop, drop_attribute, grant, in_team, properties, put

SPOILT: Spoilt = {
    team_rules.teams_invoke_as_themselves: {
        "as anybody": in_team(grant("InvokeVntana", "lambda:InvokeFunction", "*")),
        "as live": in_team(put("EditorAlias", "Name", "live")),
    },
    team_rules.teams_follow_the_canary: {
        "at once": drop_attribute("Team1Stack", "DependsOn"),
        "another function's": lambda s: properties(s, "Team1Stack")["Parameters"].__setitem__(
            "EditorVersion", {"Fn::GetAtt": ["VntanaFunction", "Version.Version"]}
        ),
        "not at all": in_team(put("VendorlinkAlias", "FunctionVersion", "1")),
    },
    team_rules.teams_have_limits: {
        "none": in_team(drop("Plan", "Throttle")),
        "no stage": in_team(put("Plan", "ApiStages", [])),
        "another's": in_team(put("PlanKey", "UsagePlanId", "another")),
    },
}
