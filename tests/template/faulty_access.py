"""Templates with too many permissions, each with the rule that must detect it."""

from tests.template import access_rules
from tests.template.rules import FaultyTemplates
from tests.template.tampering import grant, properties, reword, uncondition

FAULTY: FaultyTemplates = {
    access_rules.own_secrets_only: {
        "all secrets": reword("VntanaPolicy", "ItsSecrets", "Resource", "*"),
        "a prefix too short": reword(
            "VntanaPolicy",
            "ItsSecrets",
            "Resource",
            access_rules.secret("token-broker/prod/vntana*"),
        ),
        "another flow's": grant(
            "VntanaPolicy",
            "secretsmanager:GetSecretValue",
            access_rules.secret("token-broker/prod/vendorlink/*"),
        ),
        "another stage's": reword(
            "EditorPolicy",
            "ItsSecrets",
            "Resource",
            {"Fn::Sub": access_rules.secret("token-broker/*/editor/*")},
        ),
    },
    access_rules.own_items_only: {
        "all items": uncondition("VntanaPolicy", "ItsItems"),
        "no key said": uncondition("VntanaPolicy", "ItsItems", "Null"),
        "a prefix too short": reword(
            "EditorPolicy",
            "ItsItems",
            "Condition",
            {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "editor*"}},
        ),
    },
    access_rules.own_tokens_only: {
        "any context": uncondition("VntanaPolicy", "ItsTokens", "StringLike"),
        "no generation": lambda source: [
            uncondition("TokenKey", f"{flow}Tokens", "Null")(source)
            for flow in ("Vntana", "Editor")
        ],
    },
    access_rules.functions_use_the_key_for_this_table_only: {
        "any table": uncondition("TokenKey", "TableAtRest"),
        "not at all": reword("VntanaPolicy", "TheTableAtRest", "Effect", "Deny"),
    },
    access_rules.dynamodb_may_use_the_key: {
        "no grant": reword("TokenKey", "TableAtRest", "Action", ["kms:Decrypt", "kms:DescribeKey"]),
        "by itself": reword("TokenKey", "TableService", "Action", "kms:*"),
    },
    access_rules.operators_see_no_secret: {
        "secrets": grant("Operate", "secretsmanager:GetSecretValue"),
        "tokens": reword("Operate", "StateAndForget", "Resource", "*"),
        "holds": reword("Operate", "StateAndForget", "Resource", f"{access_rules.API}/DELETE/v1/*"),
    },
    access_rules.probe_gives_no_token: {
        "every route": grant("Probe", "execute-api:Invoke"),
    },
    access_rules.callers_may_look_up_the_api: {
        "another stack": reword(
            "Probe", "WhereTheApiIs", "Resource", "arn:aws:cloudformation:::stack/other"
        ),
    },
    access_rules.the_hold_policy_allows_hold_and_lift_only: {
        "all routes": reword("Hold", "HoldAndLift", "Resource", f"{access_rules.API}/*/v1/*"),
    },
    access_rules.connect_is_for_this_stage: {
        "all stages": reword(
            "Connect", "ItsSecrets", "Resource", access_rules.secret("token-broker/*")
        ),
    },
    access_rules.roles_work_in_their_own_function_only: {
        "secrets": uncondition("VntanaPolicy", "ItsSecrets", "ArnEquals"),
        "items": uncondition("EditorPolicy", "ItsItems", "ArnEquals"),
        "tokens": uncondition("EditorPolicy", "ItsTokens", "ArnEquals"),
        "events": uncondition("FunctionPolicy", "Announce", "ArnEquals"),
    },
    access_rules.the_key_policy_excludes_administrators: {
        "delegated whole": reword("TokenKey", "Administration", "Action", "kms:*"),
        "not to a role": uncondition("TokenKey", "VntanaTokens", "ArnEquals"),
        "not to a flow": uncondition("TokenKey", "VntanaTokens", "StringLike"),
        "not to a table": uncondition("TokenKey", "VntanaTokens", "StringEquals"),
        "granted": reword("TokenKey", "Administration", "Action", ["kms:CreateGrant"]),
    },
    access_rules.statements_have_exactly_their_actions: {
        "a pattern": grant("VntanaPolicy", "dynamodb:*"),
        "more": reword(
            "EditorPolicy",
            "ItsSecrets",
            "Action",
            ["secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"],
        ),
        "fewer": reword("Connect", "ItsSecrets", "Action", "secretsmanager:GetSecretValue"),
    },
    access_rules.resources_are_named: {
        "every resource": grant("Operate", "execute-api:Invoke"),
    },
    access_rules.functions_invoke_only_themselves: {
        "another": grant("VntanaPolicy", "lambda:InvokeFunction"),
        "no more": reword("VntanaPolicy", "Itself", "Effect", "Deny"),
    },
    access_rules.own_log_only: {
        "any log": reword("VntanaPolicy", "ItsLogs", "Resource", "*"),
    },
    access_rules.functions_put_only_their_own_events: {
        "as AWS": uncondition("FunctionPolicy", "Announce"),
        "any bus": reword("FunctionPolicy", "Announce", "Resource", "*"),
    },
    access_rules.trusted_by_lambda_only: {
        "an account": lambda source: properties(source, "EditorRole")["AssumeRolePolicyDocument"][
            "Statement"
        ][0].__setitem__("Principal", {"AWS": "123456789012"}),
        "anybody by the account's role": lambda source: properties(source, "ApiAccountRole")[
            "AssumeRolePolicyDocument"
        ]["Statement"][0].__setitem__("Principal", {"AWS": "*"}),
    },
    access_rules.logs_use_the_key_for_this_stage: {
        "any log": uncondition("TokenKey", "Logs"),
        "another service": reword("TokenKey", "Logs", "Principal", {"Service": "s3.amazonaws.com"}),
    },
    access_rules.services_invoke_for_this_stack_only: {
        "anybody's API": lambda source: source["Resources"].__setitem__(
            "Open",
            {
                "Type": "AWS::Lambda::Permission",
                "Properties": {"Principal": "apigateway.amazonaws.com"},
            },
        ),
    },
}
