"""`make deploy`: its questions, what it refuses, and its calls of SAM."""

import json
import re
import shlex
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.template.documents import ROOT, template
from tests.template.stacks import resolved
from token_broker_operations import deploy, settings
from token_broker_operations.settings import Settings
from token_broker_operations.stacks import Account, Deployed

FIXED = {"Stage": "new", "Architecture": "arm64", "Release": "1700000000"}


@pytest.mark.parametrize("topic", ["arn:topic", ""])
def test_region_and_alarm_topic_are_asked_for_once(topic: str) -> None:
    """Stored answers are not asked for again, nor is the answer that there is no topic."""
    answers = ["", topic]
    before = Settings(None, {"LogLevel": "DEBUG"})
    chosen = deploy.answered(before, "eu-west-1", lambda _: answers.pop(0))
    assert chosen == Settings("eu-west-1", {"LogLevel": "DEBUG", "AlarmTopicArn": topic})
    assert answers == []
    assert deploy.answered(chosen, "us-east-1", lambda _: answers.pop(0)) == chosen


def test_given_parameters_replace_stored_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others stay, as does the region. A value may have an equals sign."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("PARAMETERS", "Team1=sales AlarmTopicArn=a=b")
    stored = Settings("eu-north-1", {"Team1": "orders", "LogLevel": "DEBUG"})
    chosen = deploy.chosen(settings.written("", "dev", stored), "dev", guided=False)
    expected = {"Team1": "sales", "LogLevel": "DEBUG", "AlarmTopicArn": "a=b"}
    assert chosen == Settings("eu-north-1", expected)


@given(value=st.text())
@example('[{"connection": "acme", "organization": "a\\\\b"}]')
def test_each_value_is_quoted_for_sam(value: str) -> None:
    """The calls of a warm schedule are JSON, which has quotes, blanks and backslashes."""
    assert shlex.split(deploy.quoted("WarmVntana", value)) == [f"WarmVntana={value}"]


class CloudFormation(Account):
    """An account with the stack `token-broker-new`, under CloudFormation's rules.

    The first calls of SAM end with the exit statuses *failures*.
    """

    def __init__(self, deployed: Deployed | None = None, *failures: int) -> None:
        self.deployed = deployed
        self._failures = list(failures)
        self.runs: list[list[str]] = []

    def stack(self, name: str) -> Deployed | None:
        assert name == "token-broker-new"
        return self.deployed

    def attached(self, *_: object) -> Iterator[str]:
        """Yield nothing: no role has a policy of this stack."""
        yield from ()

    def delete(self, name: str) -> None:
        assert name == "token-broker-new"
        assert self.deployed == Deployed("ROLLBACK_COMPLETE", {}), "there is nothing to delete"
        self.deployed = None

    def sam(self, arguments: list[str]) -> int:
        self.runs.append(arguments)
        is_protected = 'DeletionProtection="enabled"' in arguments
        status = self._failures.pop(0) if self._failures else 0
        if self.deployed in (None, Deployed("REVIEW_IN_PROGRESS", {})):
            left = "ROLLBACK_FAILED" if is_protected else "ROLLBACK_COMPLETE"
            self.deployed = Deployed(left if status else "CREATE_COMPLETE", {})
            return status
        assert self.deployed.status.endswith("_COMPLETE"), "nothing can be done to such a stack"
        assert self.deployed.status != "ROLLBACK_COMPLETE", "it can only be deleted"
        return status

    def deploy(self, wanted: Settings, *, guided: bool = False) -> int:
        """Deploy the stage; return the exit status."""
        return deploy.deploy(self, self.sam, "new", wanted, FIXED, guided=guided)


def test_a_failed_creation_can_be_repeated() -> None:
    """The table's deletion protection is enabled in a second step."""
    account = CloudFormation(None, 1)
    assert [account.deploy(Settings("eu-west-1", {})) for _ in range(3)] == [1, 0, 0]
    protections = re.findall(r'DeletionProtection="(\w+)"', str(account.runs))
    assert protections == ["disabled", "disabled", "enabled", "enabled"]


@pytest.mark.parametrize("status", [None, "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_a_stack_without_resources_is_created_in_two_steps(status: str | None) -> None:
    """Also one of which only a change set was made. A given protection is that of the second."""
    before = Deployed(status, {}) if status else None
    for wanted, last in (({}, "enabled"), ({"DeletionProtection": "disabled"}, "disabled")):
        protections = [each["DeletionProtection"] for each in deploy.steps(before, wanted)]
        assert protections == ["disabled", last]
    assert list(deploy.problems(before, {})) == []


def test_only_the_first_of_two_steps_is_confirmed() -> None:
    """The second only enables the table's deletion protection.

    A stack whose creation was not confirmed is created, not deleted. What make sets itself cannot
    be chosen by a parameter.
    """
    account = CloudFormation(Deployed("REVIEW_IN_PROGRESS", {}))
    account.deploy(Settings("eu-west-1", dict.fromkeys(FIXED, "chosen")), guided=True)
    first, second = map(set, account.runs)
    assert {deploy.quoted(*pair) for pair in FIXED.items()} <= first
    assert "chosen" not in str(first)
    assert "--confirm-changeset" in first
    assert second - first == {"--no-confirm-changeset", 'DeletionProtection="enabled"'}


@pytest.mark.parametrize(
    ("before", "wanted", "expected"),
    [
        *(
            (Deployed(status, {}), {}, f"{status}. docs/deploying.md says")
            for status in ("ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED")
        ),
        (Deployed("UPDATE_IN_PROGRESS", {}), {}, "UPDATE_IN_PROGRESS: wait"),
        (
            Deployed("UPDATE_COMPLETE", {"ProvisionedConcurrency": "1"}),
            {"ProvisionedConcurrency": "2"},
            "DeploymentType=AllAtOnce",
        ),
    ],
)
def test_a_deployment_that_would_fail_midway_is_refused(
    before: Deployed, wanted: dict[str, str], expected: str
) -> None:
    """Before any change, with the solution in the message."""
    [problem] = deploy.problems(before, wanted)
    assert expected in problem
    if "docs/" in expected:
        assert f"`{before.status}`" in (ROOT / "docs/deploying.md").read_text()
    assert list(deploy.problems(before._replace(status="UPDATE_COMPLETE"), {})) == []
    at_once = {"DeploymentType": "AllAtOnce"}
    assert list(deploy.problems(before._replace(status="UPDATE_COMPLETE"), wanted | at_once)) == []
    earlier = Deployed("UPDATE_COMPLETE", {**before.parameters, **at_once})
    assert len(list(deploy.problems(earlier, wanted))) == len(wanted)


@pytest.mark.parametrize(
    ("wanted", "gone"),
    [
        ({}, []),
        ({"Team1": "orders", "Team2": "billing"}, []),
        ({"Team1": ""}, ["Team1"]),
        ({"Team1": "sales"}, ["Team1"]),
    ],
)
def test_a_team_is_removed_only_if_its_parameter_is_given(
    wanted: dict[str, str], gone: list[str]
) -> None:
    """A parameter that is not given keeps its value."""
    assert deploy.removed_teams(Deployed("UPDATE_COMPLETE", {"Team1": "orders"}), wanted) == gone
    assert deploy.removed_teams(None, wanted) == []


@pytest.mark.parametrize("name", ["WarmVntana", "CheckEditor"])
def test_calls_that_lost_their_quotes_are_refused(name: str) -> None:
    """The shell, or `make`, takes quotes. EventBridge would refuse such an input midway."""
    account, calls = CloudFormation(), '[{"connection":"acme"}]'
    for value in (calls, "", "5"):
        wanted = {name: value, "WarmRate": "x{"}
        assert deploy.refusals(account, "token-broker-new", wanted) == []
    unquoted = {name: calls.replace('"', "")}
    [refused] = deploy.refusals(account, "token-broker-new", unquoted)
    example = shlex.split(refused.partition("PARAMETERS=")[2])[0]
    [[shown, value]] = settings.pairs_of(shlex.split(example)).items()
    assert (shown, json.loads(value)) == (name, [{"connection": "acme"}])


@pytest.mark.parametrize(
    ("had", "wanted", "expected"),
    [
        ({}, {"Team1": "orders", "Team2": "orders"}, ["Team2 and Team1 are both called orders."]),
        ({"Team3": "orders"}, {"Team1": "orders"}, ["Team1 and Team3 are both called orders."]),
        (
            {"Team1": "orders"},
            {"Team1": "", "Team2": "orders"},
            ["Team2 cannot be called orders in the deployment that takes the name from Team1."],
        ),
        (
            {"Team1": "orders", "Team2": "sales"},
            {"Team1": "sales", "Team2": "orders"},
            [
                "Team1 cannot be called sales in the deployment that takes the name from Team2.",
                "Team2 cannot be called orders in the deployment that takes the name from Team1.",
            ],
        ),
        ({"Team1": "orders"}, {"Team1": "orders", "Team2": "sales", "Team3": ""}, []),
    ],
)
def test_two_teams_cannot_have_the_same_name_at_once(
    had: dict[str, str], wanted: dict[str, str], expected: list[str]
) -> None:
    """A function has each alias once, and CloudFormation deletes the old one last."""
    for before in [Deployed("UPDATE_COMPLETE", had), *([] if had else [None])]:
        account = CloudFormation(before)
        assert deploy.refusals(account, "token-broker-new", wanted) == expected


NAMED = {"TableName", "LogGroupName", "RoleName", "AliasName", "Name"}
"""Properties that give a resource a fixed name."""


def test_what_outlives_a_stack_is_in_the_way_of_no_other() -> None:
    """CloudFormation makes nothing that is there by its name.

    So nothing with a name is kept when a creation is rolled back, or when an option is taken back.
    """
    for name, each in resolved(template(), DeletionProtection="disabled").items():
        if each.get("DeletionPolicy") == "Retain":
            assert not NAMED & each["Properties"].keys(), name
    for name, each in template()["Resources"].items():
        if "Retain" in each.get("DeletionPolicy", "") and NAMED & each["Properties"].keys():
            assert "Condition" not in each, name


def test_the_table_of_a_creation_can_be_deleted() -> None:
    """DynamoDB deletes no protected one."""
    table = resolved(template(), DeletionProtection="disabled")["TokenTable"]["Properties"]
    assert table["DeletionProtectionEnabled"] is False
