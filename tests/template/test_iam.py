"""The evaluation of IAM policies in these tests, with examples of AWS's documentation."""

from typing import Any

import pytest

from tests.template.iam import Ask, allows

READ = Ask("dynamodb:GetItem", "arn:table", {"dynamodb:LeadingKeys": ["a#1", "a#2"]})


def statement(effect: str = "Allow", **parts: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "dynamodb:*", "Resource": "*", **parts}


@pytest.mark.parametrize(
    ("statements", "is_allowed"),
    [
        pytest.param([], False, id="nothing is allowed unless said"),
        pytest.param([statement()], True, id="allowed"),
        pytest.param([statement(), statement("Deny")], False, id="a denial wins"),
        pytest.param([statement(Action="DynamoDB:getitem")], True, id="actions have no case"),
        pytest.param([statement(Action="dynamodb:PutItem")], False, id="another action"),
        pytest.param([statement(Resource="arn:TABLE")], False, id="resources have case"),
        pytest.param([statement(Resource=["x", "arn:t?ble"])], True, id="one of the resources"),
        pytest.param(
            [statement(Resource="arn:${aws:PrincipalTag/table}")], False, id="an unknown variable"
        ),
    ],
)
def test_statements_are_evaluated_as_documented(
    statements: list[dict[str, Any]], *, is_allowed: bool
) -> None:
    """At least one allows, and none denies."""
    assert allows(statements, READ) is is_allowed


@pytest.mark.parametrize(
    ("operator", "key", "value", "is_allowed"),
    [
        ("ForAllValues:StringLike", "dynamodb:LeadingKeys", "a#*", True),
        ("ForAllValues:StringLike", "dynamodb:LeadingKeys", "a#1", False),
        ("ForAllValues:StringLike", "dynamodb:Other", "a#*", True),
        ("Null", "dynamodb:LeadingKeys", "false", True),
        ("Null", "dynamodb:Other", "false", False),
        ("Null", "dynamodb:Other", "true", True),
        ("StringEquals", "aws:Missing", "x", False),
        ("StringEqualsIfExists", "aws:Missing", "x", True),
        ("StringNotEquals", "aws:Missing", "x", True),
    ],
)
def test_conditions_are_evaluated_as_documented(
    operator: str, key: str, value: str, *, is_allowed: bool
) -> None:
    """`ForAllValues` is true for no value; other operators differ for a missing key."""
    condition = {operator: {key: value}}
    assert allows([statement(Condition=condition)], READ) is is_allowed


def test_an_unsupported_condition_is_an_error() -> None:
    """It is not ignored."""
    with pytest.raises(KeyError):
        allows([statement(Condition={"DateLessThan": {"aws:now": "x"}})], READ_AT)


READ_AT = Ask("dynamodb:GetItem", "arn:table", {"aws:now": "y"})
