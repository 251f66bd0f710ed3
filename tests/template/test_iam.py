"""The referee of the policies is itself refereed: by examples of AWS's documentation."""

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
def test_statements(statements: list[dict[str, Any]], *, is_allowed: bool) -> None:
    """One statement has to allow, and none may deny."""
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
def test_conditions(operator: str, key: str, value: str, *, is_allowed: bool) -> None:
    """A set operator is true of nothing; a condition on what is not there is false, or not."""
    condition = {operator: {key: value}}
    assert allows([statement(Condition=condition)], READ) is is_allowed


def test_what_is_not_understood_is_an_error() -> None:
    """Never a guess."""
    with pytest.raises(KeyError):
        allows([statement(Condition={"DateLessThan": {"aws:now": "x"}})], READ_AT)


READ_AT = Ask("dynamodb:GetItem", "arn:table", {"aws:now": "y"})
