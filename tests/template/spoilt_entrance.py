"""Templates whose stack is not reached as agreed: each with the rule that is to notice it."""

from tests.template import entrance
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

SPOILT: list[Spoilt] = [
    (
        entrance.routes_are_the_codes,
        "one less",
        lambda s: properties(s, "EditorFunction")["Events"].pop("Verify"),
    ),
    (
        entrance.routes_are_the_codes,
        "crossed",
        lambda s: properties(s, "EditorFunction")["Events"]["Verify"]["Properties"].__setitem__(
            "Path", "/v1/vntana/{connection}/verify"
        ),
    ),
    (entrance.routes_ask_for_a_signature, "an open route", open_route),
    (entrance.routes_ask_for_a_signature, "an open API", auth("DefaultAuthorizer", None)),
    (
        entrance.routes_ask_for_a_signature,
        "as the caller",
        auth("InvokeRole", "CALLER_CREDENTIALS"),
    ),
    (entrance.nobody_is_let_in_by_the_api, "everybody", everybody),
    (entrance.nothing_said_is_logged, "bodies", setting("DataTraceEnabled", True)),
    (entrance.nothing_said_is_logged, "execution", setting("LoggingLevel", "INFO")),
    (entrance.nothing_said_is_logged, "kept answers", setting("CachingEnabled", True)),
    (entrance.nothing_said_is_logged, "no limit", setting("ThrottlingRateLimit", 0)),
    (entrance.nothing_said_is_logged, "no log", default("AccessLogs", "disabled")),
    (
        entrance.nothing_said_is_logged,
        "a header",
        put("TokenBrokerApi", "AccessLogSetting", {"Format": "$context.requestOverride.header.x"}),
    ),
    (
        entrance.nothing_said_is_logged,
        "a team's key",
        put("TokenBrokerApi", "AccessLogSetting", {"Format": '{"k":"$context.identity.apiKey"}'}),
    ),
    (
        entrance.callers_get_what_is_theirs,
        "any flow",
        grant("CallVntana", "execute-api:Invoke", "arn:aws:execute-api:*/POST/*"),
    ),
    (
        entrance.callers_get_what_is_theirs,
        "any connection",
        grant(
            "CallEditorConnection", "execute-api:Invoke", "arn:aws:execute-api:*/POST/v1/editor/*"
        ),
    ),
    (
        entrance.changes_are_told,
        "not of rotation",
        lambda s: pattern(s, "SecretChanged")["eventName"].remove("RotationSucceeded"),
    ),
    (
        entrance.changes_are_told,
        "of all secrets",
        lambda s: pattern(s, "SecretChanged").pop("$or"),
    ),
    (
        entrance.changes_are_told,
        "not without a trail",
        lambda s: properties(s, "VntanaFunction")["Events"].pop("LabelMoved"),
    ),
    (
        entrance.changes_are_told,
        "of every label",
        lambda s: pattern(s, "LabelMoved").pop("labelUpdated"),
    ),
]
