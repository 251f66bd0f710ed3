"""The stack is reached as agreed, and a template that says otherwise is found out."""

import pytest

from tests.template import entrance
from tests.template.rules import Rule, findings, rules_of
from tests.template.tampering import (
    Mutation,
    auth,
    default,
    event_names,
    everybody,
    grant,
    open_route,
    properties,
    put,
    setting,
)

TAMPERED: list[tuple[Rule, str, Mutation]] = [
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
        lambda s: event_names(s)["eventName"].remove("RotationSucceeded"),
    ),
    (entrance.changes_are_told, "of all secrets", lambda s: event_names(s).pop("$or")),
]


@pytest.mark.parametrize("rule", rules_of(entrance), ids=lambda rule: rule.__name__)
def test_the_template_keeps(rule: Rule) -> None:
    """The rule's docstring says what."""
    assert findings(rule) == []


@pytest.mark.parametrize(
    ("rule", "mutation"),
    [pytest.param(rule, spoil, id=f"{rule.__name__}: {what}") for rule, what, spoil in TAMPERED],
)
def test_is_noticed(rule: Rule, mutation: Mutation) -> None:
    """A template that breaks the rule has findings."""
    assert findings(rule, mutation)


def test_every_rule_is_tried() -> None:
    """None is without a template that breaks it."""
    assert set(rules_of(entrance)) == {rule for rule, _, _ in TAMPERED}
