"""Templates with a wrong API, event or schedule, each with the rule that must detect it."""

from tests.template import api_rules
from tests.template.rules import Spoilt
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

SPOILT: Spoilt = {
    api_rules.routes_are_the_codes: {
        "one less": lambda s: properties(s, "EditorFunction")["Events"].pop("Verify"),
        "crossed": lambda s: properties(s, "EditorFunction")["Events"]["Verify"][
            "Properties"
        ].__setitem__("Path", "/v1/vntana/{connection}/verify"),
    },
    api_rules.routes_ask_for_a_signature: {
        "an open route": open_route,
        "an open API": auth("DefaultAuthorizer", None),
        "as the caller": auth("InvokeRole", "CALLER_CREDENTIALS"),
    },
    api_rules.nobody_is_let_in_by_the_api: {
        "everybody": everybody,
    },
    api_rules.nothing_said_is_logged: {
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
    api_rules.callers_get_what_is_theirs: {
        "any flow": grant("CallVntana", "execute-api:Invoke", "arn:aws:execute-api:*/POST/*"),
        "any connection": grant(
            "CallEditorConnection", "execute-api:Invoke", "arn:aws:execute-api:*/POST/v1/editor/*"
        ),
    },
    api_rules.changes_are_told: {
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
