"""Templates with a wrong API, event or schedule, each with the rule that must detect it."""

from tests.template import api_rules
from tests.template.rules import FaultyTemplates
from tests.template.tampering import (
    auth,
    default,
    everybody,
    grant,
    open_route,
    pattern,
    properties,
    put,
    setting,
)

FAULTY: FaultyTemplates = {
    api_rules.routes_equal_the_code: {
        "one less": lambda s: properties(s, "EditorFunction")["Events"].pop("Verify"),
        "crossed": lambda s: properties(s, "EditorFunction")["Events"]["Verify"][
            "Properties"
        ].__setitem__("Path", "/v1/vntana/{connection}/verify"),
    },
    api_rules.routes_require_a_signature: {
        "an open route": open_route,
        "an open API": auth("DefaultAuthorizer", None),
        "as the caller": auth("InvokeRole", "CALLER_CREDENTIALS"),
    },
    api_rules.the_api_policy_allows_no_caller: {
        "everybody": everybody,
    },
    api_rules.request_data_is_not_logged: {
        "bodies": setting("DataTraceEnabled", True),
        "execution": setting("LoggingLevel", "INFO"),
        "kept answers": setting("CachingEnabled", True),
        "no limit": setting("ThrottlingRateLimit", 0),
        "no log": default("AccessLogs", "disabled"),
        "a header": put(
            "TokenBrokerApi", "AccessLogSetting", {"Format": "$context.requestOverride.header.x"}
        ),
        "a team's key": put(
            "TokenBrokerApi", "AccessLogSetting", {"Format": '{"k":"$context.identity.apiKey"}'}
        ),
    },
    api_rules.caller_policies_allow_their_connection_only: {
        "any flow": grant("CallVntana", "execute-api:Invoke", "arn:aws:execute-api:*/POST/*"),
        "any connection": grant(
            "CallEditorConnection", "execute-api:Invoke", "arn:aws:execute-api:*/POST/v1/editor/*"
        ),
    },
    api_rules.changed_secrets_invoke_the_function: {
        "not of rotation": lambda s: pattern(s, "SecretChanged")["eventName"].remove(
            "RotationSucceeded"
        ),
        "of all secrets": lambda s: pattern(s, "SecretChanged").pop("$or"),
        "not without a trail": lambda s: properties(s, "VntanaFunction")["Events"].pop(
            "LabelMoved"
        ),
        "of every label": lambda s: pattern(s, "LabelMoved").pop("labelUpdated"),
    },
}
