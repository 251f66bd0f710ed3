"""Templates with one fault each, below the rule that must detect it: one for each finding."""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from tests.template import access_rules, api_rules, resource_rules, team_rules
from tests.template.documents import ROOT, Template, parsed, template
from tests.template.rules import Rule

TEAM, ALARMS = "team.yaml", "operations.yaml"
NESTED = {TEAM: "Team1Stack", ALARMS: "Operations"}
"""The stack that each nested template makes."""


class Edit(NamedTuple):
    """A fault: *new* in place of *old* in a resource, behind other words if *place* has some."""

    place: str
    old: str
    new: str
    file: str = "template.yaml"

    def text(self) -> str:
        """Return the text of the file with the fault."""
        whole = (ROOT / self.file).read_text()
        name, *words = self.place.split(".")
        begin = whole.index(f"\n  {name}:") + 1
        end = re.compile(r"\n(  )?[\w#]").search(whole, begin + len(name))
        at = begin
        for word in [*words, self.old]:
            at = whole.index(word, at, end.start() if end else None)
        return whole[:at] + self.new + whole[at + len(self.old) :]

    def made(self) -> Template:
        """Return the template with the fault in it, or in its nested stack."""
        if self.file not in NESTED:
            return parsed(self.text())
        source = template()
        properties = source["Resources"][NESTED[self.file]]["Properties"]
        properties["TemplateURL"] = json.dumps(parsed(self.text()))
        return source


def grant(policy: str, action: str, resource: str = "*", file: str = "template.yaml") -> Edit:
    """Return the fault that a policy allows one more action."""
    added = f'- {{ Effect: Allow, Action: "{action}", Resource: "{resource}" }}'
    return Edit(policy, "Statement:", f"Statement:\n          {added}", file)


ROOT_PRINCIPAL = 'AWS: !Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"'
OWN_KEYS = 'ForAllValues:StringLike: { "dynamodb:LeadingKeys": "vntana#*" }'
OWN_CONTEXT = 'StringLike: { "kms:EncryptionContext:connection": "vntana#*" }'
OWN_SOURCE = "StringEquals: { events:source: token-broker }"
OF_VNTANA, OF_EDITOR = (f"function:token-broker-${{Stage}}-{flow}" for flow in ("vntana", "editor"))

FAULTY: Mapping[Rule, Mapping[str, Edit]] = {
    access_rules.own_secrets_only: {
        "all secrets": Edit("VntanaPolicy.ItsSecrets", "token-broker/${Stage}/vntana/*", "*"),
    },
    access_rules.own_items_only: {
        "all items": Edit("VntanaPolicy.ItsItems", OWN_KEYS, ""),
        "no key said": Edit("VntanaPolicy.ItsItems", '"dynamodb:LeadingKeys": "false"', ""),
    },
    access_rules.own_tokens_only: {
        "any context": Edit("VntanaPolicy.ItsTokens", OWN_CONTEXT, ""),
    },
    access_rules.functions_use_the_key_for_this_table_only: {
        "any table": Edit("TokenKey.TableAtRest", "aws:dynamodb:tableName", "x"),
        "not at all": Edit("VntanaPolicy.TheTableAtRest", "Allow", "Deny"),
    },
    access_rules.dynamodb_may_use_the_key: {
        "no grant": Edit("TokenKey.TableAtRest", "- kms:CreateGrant", ""),
        "by itself": Edit("TokenKey.TableService", "kms:Describe*", '"kms:*"'),
    },
    access_rules.callers_may_look_up_the_api: {
        "another stack": Edit("Probe.WhereTheApiIs", "!Ref AWS::StackId", "arn:another"),
    },
    access_rules.connect_is_for_this_stage: {
        "all stages": Edit("Connect.ItsSecrets", "${Stage}/*", "*"),
    },
    access_rules.roles_work_in_their_own_function_only: {
        "secrets": Edit("VntanaPolicy.ItsSecrets", OF_VNTANA, "function:*"),
        "items": Edit("EditorPolicy.ItsItems", OF_EDITOR, "function:*"),
        "tokens": Edit("EditorPolicy.ItsTokens", OF_EDITOR, "function:*"),
        "events": Edit("FunctionPolicy.Announce", OF_VNTANA, "function:*"),
    },
    access_rules.the_key_policy_excludes_administrators: {
        "delegated whole": Edit("TokenKey.Administration", "kms:CancelKeyDeletion", '"kms:*"'),
    },
    access_rules.statements_have_exactly_their_actions: {
        "a pattern": grant("VntanaPolicy", "dynamodb:*"),
        "secrets": grant("Operate", "secretsmanager:GetSecretValue"),
    },
    access_rules.resources_are_named: {
        "every resource": grant("Operate", "execute-api:Invoke"),
    },
    access_rules.functions_invoke_only_themselves: {
        "another": grant("VntanaPolicy", "lambda:InvokeFunction"),
    },
    access_rules.own_log_only: {
        "any log": Edit("VntanaPolicy.ItsLogs", "!GetAtt VntanaLogs.Arn", '"*"'),
    },
    access_rules.functions_put_only_their_own_events: {
        "as AWS": Edit("FunctionPolicy.Announce", OWN_SOURCE, ""),
    },
    access_rules.trusted_by_lambda_only: {
        "an account": Edit("EditorRole", "Service: lambda.amazonaws.com", 'AWS: "123456789012"'),
    },
    access_rules.logs_use_the_key_for_this_stage: {
        "any log": Edit("TokenKey.Sid: Logs", "log-group:/aws/lambda/token-broker-${Stage}-*", "*"),
        "another service": Edit("TokenKey.Sid: Logs", '"logs.${AWS::Region}.', '"s3.'),
    },
    access_rules.services_invoke_for_this_stack_only: {
        "anybody's API": Edit(
            "TokenTable",
            "TokenTable:",
            "Open: { Type: AWS::Lambda::Permission, Properties: { Principal: apigateway } }\n"
            "  TokenTable:",
        ),
    },
    api_rules.routes_equal_the_code: {
        "another": Edit("EditorFunction.Verify:", "/verify", "/other"),
        "crossed": Edit("EditorFunction.Verify:", "/v1/editor/", "/v1/vntana/"),
    },
    api_rules.routes_require_a_signature: {
        "an open route": Edit("EditorFunction.Verify:", "{", "{ Auth: { Authorizer: NONE },"),
        "as the caller": Edit("TokenBrokerApi", "Role: NONE", "Role: CALLER_CREDENTIALS"),
    },
    api_rules.the_api_policy_allows_no_caller: {
        "everybody": Edit("TokenBrokerApi", ROOT_PRINCIPAL, 'AWS: "*"'),
    },
    api_rules.request_data_is_not_logged: {
        "bodies": Edit("TokenBrokerApi", "DataTraceEnabled: false", "DataTraceEnabled: true"),
        "kept answers": Edit("TokenBrokerApi", "CachingEnabled: false", "CachingEnabled: true"),
        "no limit": Edit("TokenBrokerApi", "RateLimit: !Ref ThrottlingRate", "RateLimit: 0"),
        "no log": Edit("AccessLogs", "Default: with-account-role", "Default: disabled"),
        "a header": Edit("TokenBrokerApi", "context.requestId", "context.requestOverride.header.x"),
    },
    api_rules.policies_allow_their_routes_only: {
        "every route": grant("Probe", "execute-api:Invoke"),
        "all of it": Edit("Hold.HoldAndLift", "/PUT/v1/*/hold", "/*/v1/*"),
        "any flow": grant("CallVntana", "execute-api:Invoke", "arn:aws:execute-api:*/POST/*"),
        "any connection": Edit(
            "CallEditorConnection", "${!aws:PrincipalTag/token-broker-editor}", "*"
        ),
    },
    api_rules.changed_secrets_invoke_the_function: {
        "not of rotation": Edit("VntanaFunction.SecretChanged:", ", RotationSucceeded", ""),
    },
    resource_rules.resources_have_the_required_properties: {
        "unprotected": Edit("TokenTable", "[Protected, true, false]", "[Protected, false, false]"),
        "not rotated": Edit("TokenKey", "EnableKeyRotation: true", "EnableKeyRotation: false"),
        "gone in a week": Edit("TokenKey", "PendingWindowInDays: 30", "PendingWindowInDays: 7"),
        "in the clear": Edit("AccessLogGroup", "KmsKeyId: !GetAtt TokenKey.Arn", ""),
        "an old runtime": Edit("Function", "Runtime: python3.13", "Runtime: python3.12"),
        "not repeated": Edit("Function", "MaximumRetryAttempts: 2", "MaximumRetryAttempts: 0"),
        "without data": Edit("DamageAlarm", "notBreaching", "breaching", ALARMS),
        "none at all": Edit("CheckAlarm", "GreaterThan", "GreaterThanOrEqualTo", ALARMS),
    },
    resource_rules.data_outlives_the_stack: {
        "the table": Edit("TokenTable", "DeletionPolicy: RetainExceptOnCreate", ""),
        "the key": Edit("TokenKey", "DeletionPolicy: RetainExceptOnCreate", ""),
        "a log": Edit("EditorLogs", "UpdateReplacePolicy: Retain", ""),
        "the account's": Edit("ApiAccount", "DeletionPolicy: Retain", ""),
        "the client": Edit("TokenBrokerClientLayer", "Policy: Retain", "Policy: Delete"),
    },
    resource_rules.functions_have_logs_that_expire: {
        "for ever": Edit("VntanaLogs", "RetentionInDays: !Ref LogRetention", ""),
        "of another": Edit("VntanaLogs", "/aws/lambda/token-broker-${Stage}-vntana", "x"),
    },
    resource_rules.failures_alarm: {
        "one less": Edit(
            "FailureUpstreamRefusedAlarm", "Value: upstream_refused", "Value: x", ALARMS
        ),
        "no topic is notified": Edit("Operations", "!Ref AlarmTopicArn", '""'),
    },
    resource_rules.corrupt_items_alarm: {
        "of any stage": Edit("DamageAlarm", "Name: service", "Name: another", ALARMS),
    },
    resource_rules.throttles_alarm: {
        "a flow less": Edit("ThrottleAlarm", "${Stage}-editor", "${Stage}-x", ALARMS),
        "the worst flow": Edit("ThrottleAlarm", "SUM(METRICS())", "MAX(METRICS())", ALARMS),
    },
    resource_rules.alarms_count_what_is_written: {
        "an average": Edit("DamageAlarm", "Statistic: Sum", "Statistic: Average", ALARMS),
        "the fourth failure": Edit("CheckAlarm", "Threshold: 0", "Threshold: 3", ALARMS),
        "an hour": Edit("DamageAlarm", "Period: 300", "Period: 3600", ALARMS),
        "twice": Edit("CrashAlarm", "EvaluationPeriods: 1", "EvaluationPeriods: 2"),
        "another metric": Edit("CrashAlarm", "!Sub 'Crash-${Stage}'", "Crash"),
    },
    resource_rules.budgets_alarm: {
        "a budget less": Edit("PromptSlowAlarm", "prompt_slow'", "another'", ALARMS),
        "one bad call more": Edit("AnsweredFastLongAlarm", ">= 3", "> 10", ALARMS),
        "the good calls": Edit("PromptFastLongAlarm", "Id: bad", "Id: good", ALARMS),
        "a slower rate": Edit("AnsweredSlowLongAlarm", "hold: 0.006", "hold: 0.06", ALARMS),
    },
    resource_rules.composite_alarms_follow_their_parts: {
        "of one": Edit("PromptSlowAlarm", ", PromptSlowShortAlarm", "", ALARMS),
    },
    resource_rules.resources_exist_before_their_names_are_used: {
        "a stage": Edit("Team1Stack", ", TokenBrokerApiStage", ""),
        "an alias": Edit("EditorCallsOfItsOwn", "DependsOn: EditorAlias", "", TEAM),
    },
    resource_rules.crashes_are_counted: {
        "not of a flow": Edit("EditorCrashes", "!Ref EditorLogs", "another"),
    },
    resource_rules.deployments_are_gradual_and_rolled_back: {
        "all at once": Edit("DeploymentType", "Canary10Percent5Minutes", "AllAtOnce"),
    },
    resource_rules.functions_have_the_required_settings: {
        "too long": Edit("Function", "Timeout: !Ref Timeout", "Timeout: 30"),
        "renamed": Edit("EditorFunction", "!Sub token-broker-${Stage}-editor", "editor"),
        "bare": Edit("Function", "Layers: [!Ref TokenBrokerLayer]", ""),
        "no table": Edit("Function", "TABLE_NAME: !Ref TokenTable", ""),
        "too soon": Edit("EditorFunction", "DependsOn: EditorPolicy", "DependsOn: EditorLogs"),
    },
    resource_rules.failed_invocations_are_repeated: {
        "as Lambda likes": Edit("EditorCallsOfItsOwn", "EventInvokeConfig", "Alias", TEAM),
    },
    team_rules.teams_invoke_as_themselves: {
        "as anybody": grant("InvokeVntana", "lambda:InvokeFunction", file=TEAM),
        "as live": Edit("EditorAlias", "!Sub team-${Team}", "live", TEAM),
    },
    team_rules.teams_follow_the_canary: {
        "at once": Edit("Team1Stack", "VntanaFunctionAliaslive, ", ""),
        "another function's": Edit("Team1Stack", "GetAtt EditorF", "GetAtt VntanaF"),
        "not at all": Edit("VendorlinkAlias", "!Ref VendorlinkVersion", '"1"', TEAM),
    },
    team_rules.teams_have_limits: {
        "none": Edit("Plan", "RateLimit: !Ref Rate, ", "", TEAM),
        "no stage": Edit("Plan", "[{ ApiId: !Ref Api, Stage: !Ref Stage }]", "[]", TEAM),
        "another's": Edit("PlanKey", "!Ref Plan", "another", TEAM),
        "a key that is off": Edit("Key", "Enabled: true", "Enabled: false", TEAM),
    },
}
