"""`make deploy` and `make destroy`: questions, settings, and calls of SAM and AWS."""

import json
import re
import shlex
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError
from botocore.stub import Stubber
from hypothesis import example, given
from hypothesis import strategies as st

from tests.functions.world import Counted
from tests.template.documents import ROOT, template
from tests.template.stacks import resolved
from token_broker_operations import deploy, destroy, settings
from token_broker_operations.destroy import SAMS_STACK
from token_broker_operations.settings import Settings
from token_broker_operations.stacks import Account, Deployed

CONFIG = (ROOT / "samconfig.toml").read_text()
FIXED = {"Stage": "new", "Architecture": "arm64", "Release": "1700000000"}
OTHERS = """
[prod.deploy.parameters]
tags = ["team=a"]
image_repositories = { Function = "here" }
parameter_overrides = [
  "WarmVntana=[{\\"connection\\": \\"acme\\"}]",
]

[dev.global.parameters]
profile = "someone"
"""
COMMENTED = """
[dev.deploy.parameters] # here
[anything.deploy.parameters]	# nothing yet
[prod.deploy.parameters]  # the real one
tags = ["team=a"]
[dev.global.parameters] # [of dev]
profile = "someone"
"""
DESCRIBED = """
[dev.deploy.parameters]
# Who pays for it.
tags = ["team=a#1 😀"]   # a team
region = "eu-west-1"     # by law
parameter_overrides = [  # of docs/deploying.md
  # More is too much.
  "MemorySize=512",      # MB
  'InternalHosts=a]#b',
]

# The real one.
[prod.deploy.parameters]
region = 'us-east-1'
parameter_overrides = "LogLevel=DEBUG"  # for now
tags = [
[1]
]
[[more]]
region = "of another table"
"""


@pytest.mark.parametrize(
    "overrides",
    [
        '"Stage=\\"dev\\" WarmRate=\\"rate(5 minutes)\\" Tracing=enabled"',
        '["Stage=dev", "WarmRate=rate(5 minutes)", "Tracing=enabled"]',
        '{ Stage = "dev", WarmRate = "rate(5 minutes)", Tracing = "enabled" }',
    ],
)
def test_parameters_are_read_from_samconfig(overrides: str) -> None:
    """In each format that SAM or a person may write."""
    config = f"[dev.deploy.parameters]\nparameter_overrides = {overrides}"
    expected = {"Stage": "dev", "WarmRate": "rate(5 minutes)", "Tracing": "enabled"}
    assert settings.kept(config, "dev") == Settings(None, expected)
    assert settings.kept(config, "prod") == Settings(None, {})


@pytest.mark.parametrize(
    "text", [CONFIG, CONFIG + OTHERS, COMMENTED, COMMENTED.rstrip(), DESCRIBED]
)
@pytest.mark.parametrize("stage", ["dev", "prod", "anything"])
def test_written_settings_are_read_back(text: str, stage: str) -> None:
    """Also JSON; other parts of the file stay as they are."""
    options = Settings("eu-north-1", {"WarmEditor": '[{"connection": "x"}]', "AlarmTopicArn": ""})
    once = settings.written(text, stage, options)
    assert settings.kept(once, stage) == options
    assert settings.written(once, stage, options) == once
    before, after = (tomllib.loads(each) for each in (text, once))
    for parsed in (before, after):
        for name in ("region", "parameter_overrides"):
            parsed.setdefault(stage, {}).setdefault("deploy", {}).setdefault("parameters", {})
            parsed[stage]["deploy"]["parameters"].pop(name, None)
    assert after == before
    for comment in re.findall("# .*", text):
        assert once.count(comment) == 1


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("version = 0.1", "version"),
        ("[dev.deploy]\nparameters = 1", "dev"),
        ('["dev".deploy.parameters]\nregion = "x"', "dev"),
        ('[dev.deploy.parameters]\n"region" = "x"', "dev"),
        ("[dev.deploy.parameters]\ntags = [\n[1]\n]\nparameter_overrides = []", "dev"),
        ("[dev.deploy.parameters]\n[[more]]\nregion = 1", "dev"),
    ],
)
def test_settings_that_cannot_be_stored_change_nothing(text: str, stage: str) -> None:
    """A stage that is no table, or a file in a form that would lose another section."""
    with pytest.raises(SystemExit, match="samconfig"):
        settings.written(text, stage, Settings("eu-north-1", {"LogLevel": "DEBUG"}))


@pytest.mark.parametrize("topic", ["arn:topic", ""])
def test_region_and_alarm_topic_are_asked_for_once(topic: str) -> None:
    """Stored answers are not asked for again, nor is the answer that there is no topic."""
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return "" if "region" in question else topic

    chosen = deploy.answered(Settings(None, {"LogLevel": "DEBUG"}), "eu-west-1", ask)
    assert chosen == Settings("eu-west-1", {"LogLevel": "DEBUG", "AlarmTopicArn": topic})
    assert len(questions) == 2
    assert deploy.answered(chosen, "us-east-1", ask) == chosen
    assert len(questions) == 2


def test_given_parameters_replace_stored_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others stay, as does the region. A value may have an equals sign."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("PARAMETERS", "Team1=sales AlarmTopicArn=a=b")
    stored = Settings("eu-north-1", {"Team1": "orders", "LogLevel": "DEBUG"})
    chosen = deploy.chosen(settings.written("", "dev", stored), "dev", guided=False)
    expected = {"Team1": "sales", "LogLevel": "DEBUG", "AlarmTopicArn": "a=b"}
    assert chosen == Settings("eu-north-1", expected)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: it has the template, and no settings. Nor has the environment."""
    (tmp_path / "samconfig.toml").touch()
    (tmp_path / "template.yaml").write_text((ROOT / "template.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "us-east-1"}, "eu-north-1"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
        ({}, "eu-west-1"),
    ],
)
def test_a_new_stage_is_in_the_region_of_the_environment(
    variables: dict[str, str], region: str, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one that `make destroy` looks for. boto3 reads only the second of the variables."""
    monkeypatch.setattr(Account, "stack", lambda *_: None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert deploy.chosen("", "dev", guided=False).region == region
    assert destroy.main("dev") == f"There is no stack token-broker-dev in {region}."
    assert (alone / "samconfig.toml").read_text() == ""


@pytest.mark.usefixtures("alone")
def test_files_that_are_left_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack is gone then, and the exit status is 1."""
    monkeypatch.setattr(Account, "stack", lambda *_: Deployed("CREATE_COMPLETE", {}))
    monkeypatch.setattr(Account, "attached", lambda *_: iter(()))
    monkeypatch.setattr(Account, "delete", lambda *_: None)
    monkeypatch.setattr(destroy, "delete_files", lambda *_: iter(["s3://b/k: AccessDenied"]))
    assert destroy.main("old") == "These files were not deleted:\ns3://b/k: AccessDenied"


@pytest.mark.parametrize("kept", [None, "Linear10PercentEvery1Minute"])
def test_a_given_deployment_type_is_that_of_one_deployment(
    kept: str | None, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is a canary, or what the file says: CloudFormation would keep the given type."""
    stored = {"DeploymentType": kept} if kept else {}
    monkeypatch.setattr(Account, "stack", lambda *_: Deployed("UPDATE_COMPLETE", {}))
    config, (program, runs) = alone / "samconfig.toml", sam(alone)
    config.write_text(settings.written("", "dev", Settings("eu-west-1", stored)))
    for parameters in ("DeploymentType=AllAtOnce LogLevel=DEBUG", ""):
        monkeypatch.setenv("PARAMETERS", parameters)
        assert deploy.main(program, "dev", "arm64") == 0
        expected = Settings("eu-west-1", {"LogLevel": "DEBUG", **stored})
        assert settings.kept(config.read_text(), "dev") == expected
    default = template()["Parameters"]["DeploymentType"]["Default"]
    types = [re.findall(r'DeploymentType="(\w+)"', str(run)) for run in runs()]
    assert types == [["AllAtOnce"], [kept or default]]


def test_an_unknown_parameter_is_reported() -> None:
    """SAM ignores it without a message."""
    text = (ROOT / "template.yaml").read_text()
    assert settings.unknown(template()["Parameters"], text) == []
    assert settings.unknown(["Team1", "Teem2", "Type"], text) == ["Teem2", "Type"]


@pytest.mark.parametrize("stage", ["prod", "anything"])
def test_every_stage_is_deployed_with_the_same_options(stage: str) -> None:
    """With the capabilities of a nested stack, without confirmation, with a separate S3 prefix."""
    command = deploy.arguments(stage, "eu-west-1", {"Stage": stage}, confirm=False)
    assert {"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "--no-confirm-changeset"} <= set(command)
    assert command[command.index("--s3-prefix") + 1] == f"token-broker-{stage}"
    assert {"--resolve-s3", "--no-fail-on-empty-changeset"} <= set(command)


@given(value=st.text())
@example('[{"connection": "acme", "organization": "a\\\\b"}]')
def test_each_value_is_quoted_for_sam(value: str) -> None:
    """The calls of a warm schedule are JSON, which has quotes, blanks and backslashes."""
    assert shlex.split(deploy.quoted("WarmVntana", value)) == [f"WarmVntana={value}"]


class CloudFormation(Account):
    """An account whose first creation can fail, under CloudFormation's rules."""

    def __init__(self, *failures: int) -> None:
        self._failures = list(failures)
        self.deployed: Deployed | None = None
        self.decoded_context: list[list[str]] = []

    def stack(self, name: str) -> Deployed | None:
        assert name == "token-broker-new"
        return self.deployed

    def delete(self, name: str) -> None:
        assert name == "token-broker-new"
        assert self.deployed == Deployed("ROLLBACK_COMPLETE", {}), "there is nothing to delete"
        self.deployed = None

    def sam(self, arguments: list[str]) -> int:
        self.decoded_context.append(arguments)
        is_protected = 'DeletionProtection="enabled"' in arguments
        status = self._failures.pop(0) if self._failures else 0
        if self.deployed in (None, Deployed("REVIEW_IN_PROGRESS", {})):
            left = "ROLLBACK_FAILED" if is_protected else "ROLLBACK_COMPLETE"
            self.deployed = Deployed(left if status else "CREATE_COMPLETE", {})
            return status
        assert self.deployed.status.endswith("_COMPLETE"), "nothing can be done to such a stack"
        assert self.deployed.status != "ROLLBACK_COMPLETE", "it can only be deleted"
        return status

    def protections(self) -> list[str]:
        """Return the deletion protection in each call of SAM."""
        protections = re.findall(r'DeletionProtection="(\w+)"', str(self.decoded_context))
        return [str(each) for each in protections]


def test_a_failed_creation_can_be_repeated() -> None:
    """The table's deletion protection is enabled in a second step."""
    account = CloudFormation(1)
    wanted = Settings("eu-west-1", {})
    statuses = [
        deploy.deploy(account, account.sam, "new", wanted, FIXED, guided=False) for _ in range(3)
    ]
    assert statuses == [1, 0, 0]
    assert account.protections() == ["disabled", "disabled", "enabled", "enabled"]


@pytest.mark.parametrize("status", [None, "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_a_stack_without_resources_is_created_in_two_steps(status: str | None) -> None:
    """Also one of which only a change set was made. A given protection is that of the second."""
    before = Deployed(status, {}) if status else None
    for wanted, last in (({}, "enabled"), ({"DeletionProtection": "disabled"}, "disabled")):
        protections = [each["DeletionProtection"] for each in deploy.steps(before, wanted)]
        assert protections == ["disabled", last]
    assert list(deploy.problems(before, {})) == []


def test_a_stack_that_may_not_be_seen_is_an_error() -> None:
    """It could be there: a creation would fail."""
    session = boto3.session.Session("local", "local", region_name="eu-west-1")
    account = Account(session)
    with Stubber(account._stacks) as cloudformation:
        cloudformation.add_client_error("describe_stacks", "AccessDenied")
        with pytest.raises(ClientError, match="AccessDenied"):
            account.stack("token-broker-new")


def test_files_are_said_to_be_deleted_only_if_their_bucket_could_be_looked_up() -> None:
    """Without SAM's stack there is no bucket, so there are no files."""
    session = boto3.session.Session("local", "local", region_name="eu-west-1")
    stacks, s3 = session.client("cloudformation"), session.client("s3")
    clients = SimpleNamespace(client={"cloudformation": stacks, "s3": s3}.__getitem__)
    with Stubber(stacks) as cloudformation, Stubber(s3):
        for code in ("AccessDenied", "Throttling"):
            cloudformation.add_client_error("describe_stacks", code)
            with pytest.raises(ClientError, match=code):
                list(destroy.delete_files(cast("boto3.session.Session", clients), "new"))
        missing = f"Stack with id {SAMS_STACK} does not exist"
        cloudformation.add_client_error("describe_stacks", "ValidationError", missing)
        assert not list(destroy.delete_files(cast("boto3.session.Session", clients), "new"))


def test_all_pages_of_resources_principals_and_files_are_read() -> None:
    """AWS lists 100 resources, 100 principals and 1000 files at once.

    A failed creation lists a policy without an ARN; it is attached to no role. A file that S3 does
    not delete is reported.
    """
    session = boto3.session.Session("local", "local", region_name="eu-west-1")
    account, s3 = Account(session), session.client("s3")
    unmade = {
        "LogicalResourceId": "CallVntana",
        "ResourceType": "AWS::IAM::ManagedPolicy",
        "ResourceStatus": "CREATE_FAILED",
        "LastUpdatedTimestamp": datetime.now(UTC),
    }
    made = unmade | {"PhysicalResourceId": "arn:aws:iam::aws:policy/p"}
    sams = {"StackName": "s", "CreationTime": datetime.now(UTC), "StackStatus": "CREATE_COMPLETE"}
    sams |= {"Outputs": [{"OutputKey": "SourceBucket", "OutputValue": "bucket"}]}
    answers: dict[Any, list[tuple[str, dict[str, Any]]]] = {
        account._stacks: [
            ("list_stack_resources", {"StackResourceSummaries": [unmade], "NextToken": "2"}),
            ("list_stack_resources", {"StackResourceSummaries": [made]}),
            ("describe_stacks", {"Stacks": [sams]}),
        ],
        account._iam: [
            ("list_entities_for_policy", {"IsTruncated": True, "Marker": "2"}),
            ("list_entities_for_policy", {"PolicyRoles": [{"RoleName": "orders"}]}),
        ],
        s3: [
            ("list_object_versions", {"IsTruncated": True, "NextKeyMarker": "2"}),
            ("list_object_versions", {"Versions": [{"Key": "new/1", "VersionId": "1"}]}),
            ("delete_objects", {"Errors": [{"Key": "new/1", "Code": "AccessDenied"}]}),
        ],
    }
    clients = SimpleNamespace(client={"cloudformation": account._stacks, "s3": s3}.__getitem__)
    with ExitStack() as stack:
        stubs = [stack.enter_context(Stubber(client)) for client in answers]
        for stub in stubs:
            for operation, response in answers[stub.client]:
                stub.add_response(operation, response)
        assert list(account.attached("token-broker-new")) == ["role orders has CallVntana"]
        left = destroy.delete_files(cast("boto3.session.Session", clients), "new")
        assert list(left) == ["s3://bucket/new/1: AccessDenied"]
        for stub in stubs:
            stub.assert_no_pending_responses()


NAMED = {"TableName", "LogGroupName", "RoleName", "AliasName", "Name"}
"""Properties that give a resource a fixed name."""


def test_a_rollback_of_the_creation_deletes_the_table() -> None:
    """No retained resource has a name that a second creation needs."""
    stack = resolved(template(), DeletionProtection="disabled")
    assert stack["TokenTable"]["Properties"]["DeletionProtectionEnabled"] is False
    kept = {name: each for name, each in stack.items() if each.get("DeletionPolicy") == "Retain"}
    assert stack["TokenTable"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert kept
    for name, each in kept.items():
        assert not NAMED & each["Properties"].keys(), name


def test_no_option_removes_a_resource_that_is_kept_by_its_name() -> None:
    """The option could not be taken back: CloudFormation makes nothing that is there."""
    for name, each in template()["Resources"].items():
        if "Retain" in each.get("DeletionPolicy", "") and NAMED & each["Properties"].keys():
            assert "Condition" not in each, name


def test_only_the_first_of_two_steps_is_confirmed() -> None:
    """The second only enables the table's deletion protection.

    A stack whose creation was not confirmed is created, not deleted. What make sets itself cannot
    be chosen by a parameter.
    """
    account = CloudFormation()
    account.deployed = Deployed("REVIEW_IN_PROGRESS", {})
    wanted = Settings("eu-west-1", dict.fromkeys(FIXED, "chosen"))
    deploy.deploy(account, account.sam, "new", wanted, FIXED, guided=True)
    first, second = account.decoded_context
    assert {deploy.quoted(*pair) for pair in FIXED.items()} <= {*first}
    assert "chosen" not in str(first)
    assert "--confirm-changeset" in first
    assert "--no-confirm-changeset" in second
    assert {each for each in second if each not in first} == {
        "--no-confirm-changeset",
        'DeletionProtection="enabled"',
    }


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
    for value, count in ((calls, 0), ("", 0), (calls.replace('"', ""), 1), ("5", 0)):
        found = deploy.refusals(account, "token-broker-new", {name: value, "WarmRate": "x{"})
        assert len(found) == count
    unquoted = {name: calls.replace('"', "")}
    [refused] = deploy.refusals(account, "token-broker-new", unquoted)
    example = shlex.split(refused.partition("PARAMETERS=")[2])[0]
    [[shown, value]] = settings.pairs_of(shlex.split(example)).items()
    assert (shown, json.loads(value)) == (name, [{"connection": "acme"}])


@pytest.mark.parametrize(
    ("had", "wanted", "expected"),
    [
        ({}, {"Team1": "orders", "Team2": "orders"}, ["Team2 and Team1 are both called orders."]),
        ({"Team1": "orders"}, {"Team3": "orders"}, ["Team3 and Team1 are both called orders."]),
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
    account = CloudFormation()
    account.deployed = Deployed("UPDATE_COMPLETE", had)
    account.attached = lambda *_: iter(())  # type: ignore[method-assign]  # no role has a policy
    assert deploy.refusals(account, "token-broker-new", wanted) == expected
    if not had:
        account.deployed = None
        assert deploy.refusals(account, "token-broker-new", wanted) == expected


def document(action: str, **more: Any) -> dict[str, Any]:
    """Return a document of IAM's that allows one action."""
    statement = {"Effect": "Allow", "Action": action, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


POLICY = document("lambda:InvokeFunction", Resource="*")
TRUST = document("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    """Return a resource of a template."""
    return {"Type": f"AWS::{kind}", "Properties": properties}


def managed(name: str) -> dict[str, Any]:
    """Return a managed policy."""
    return resource("IAM::ManagedPolicy", ManagedPolicyName=name, PolicyDocument=POLICY)


@pytest.fixture
def region(aws: tuple[Counted, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A region with a stack in it that has policies, one of them a team's."""
    _, url = aws
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
    s3.create_bucket(Bucket="teams", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    # SAM's bucket keeps the old versions of its files.
    s3.put_bucket_versioning(Bucket="teams", VersioningConfiguration={"Status": "Enabled"})
    nested = {"Resources": {"InvokeVntana": managed("of-the-team")}}
    s3.put_object(Bucket="teams", Key="team.json", Body=json.dumps(nested).encode())
    whole = {
        "Parameters": {"Team1": {"Type": "String", "Default": "orders"}},
        "Resources": {
            "CallVntana": managed("of-the-stack"),
            "FunctionPolicy": managed("of-the-function"),
            "VntanaRole": resource(
                "IAM::Role",
                AssumeRolePolicyDocument=TRUST,
                ManagedPolicyArns=[{"Ref": "FunctionPolicy"}],
            ),
            "Team1Stack": resource(
                "CloudFormation::Stack", TemplateURL="https://s3.amazonaws.com/teams/team.json"
            ),
        },
    }
    cloudformation.create_stack(
        StackName="token-broker-old",
        TemplateBody=json.dumps(whole),
        Capabilities=["CAPABILITY_IAM"],
    )
    files = {"Resources": {}, "Outputs": {"SourceBucket": {"Value": "teams"}}}
    cloudformation.create_stack(StackName=SAMS_STACK, TemplateBody=json.dumps(files))
    for key in (
        "token-broker-old/0.template",
        "token-broker-old/1.template",
        "token-broker-older/2.template",
    ):
        for body in (b"{}", b"{ }"):
            s3.put_object(Bucket="teams", Key=key, Body=body)
    # It leaves a delete marker; moto makes none for a file that never was.
    s3.delete_object(Bucket="teams", Key="token-broker-old/0.template")
    [marker] = s3.list_object_versions(Bucket="teams")["DeleteMarkers"]
    assert marker["Key"] == "token-broker-old/0.template"
    yield "eu-west-1"
    cloudformation.delete_stack(StackName=SAMS_STACK)
    boto3.resource("s3").Bucket("teams").object_versions.delete()
    s3.delete_bucket(Bucket="teams")


def sam(directory: Path) -> tuple[str, Callable[[], list[list[str]]]]:
    """Return a program that replaces SAM, and a function that returns the arguments of its runs."""
    program, log = directory / "sam", directory / "log"
    log.touch()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" END >> {log}\n')
    program.chmod(0o700)

    def runs() -> list[list[str]]:
        return [run.split("\n")[:-1] for run in log.read_text().split("END\n")[:-1]]

    return str(program), runs


LEFT = [
    {
        "LogicalResourceId": name,
        "PhysicalResourceId": name,
        "ResourceType": "AWS::KMS::Key",
        "ResourceStatus": status,
        "ResourceStatusReason": "why",
    }
    for name, status in {
        "TokenKey": "DELETE_FAILED",
        "Gone": "DELETE_COMPLETE",
        "Unchanged": "UPDATE_FAILED",
    }.items()
]
"""The resources of a stack of which one cannot be deleted."""


def undeleted(*_: object) -> None:
    """Fail as the deletion of such a stack does."""
    raise WaiterError("stack_delete_complete", "it did not", {})


def test_a_policy_that_is_still_attached_is_not_deleted(
    region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IAM would refuse: neither a team nor the stack is deleted while a role has the policy."""
    (tmp_path / "samconfig.toml").write_text(CONFIG)
    (tmp_path / "template.yaml").write_text((ROOT / "template.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    program, runs = sam(tmp_path)
    iam = boto3.client("iam")
    iam.create_role(RoleName="orders", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_user(UserName="jane")
    iam.create_group(GroupName="people")
    named = {"role": "orders", "user": "jane", "group": "people"}

    def each_policy(do: str) -> None:
        for kind, name in named.items():
            for of in ("team", "stack"):
                policy = f"arn:aws:iam::123456789012:policy/of-the-{of}"
                change = getattr(iam, f"{do}_{kind}_policy")
                change(**{f"{kind.capitalize()}Name": name}, PolicyArn=policy)

    each_policy("attach")
    found = list(Account(boto3.session.Session(region_name=region)).attached("token-broker-old"))
    assert sorted(found) == sorted(
        f"{kind} {name} has {policy}"
        for kind, name in named.items()
        for policy in ("CallVntana", "InvokeVntana")
    )
    assert "role orders has CallVntana: detach it" in str(destroy.main("old"))
    monkeypatch.setenv("PARAMETERS", "Team1=")
    refused = str(deploy.main(program, "old", "arm64"))
    assert refused.splitlines() == [
        f"{kind} {name} has InvokeVntana: detach it first." for kind, name in named.items()
    ]
    assert runs() == []
    assert (tmp_path / "samconfig.toml").read_text() == CONFIG, "nothing refused is stored"
    monkeypatch.setenv("PARAMETERS", "Team1=orders Team2=billing")
    begun = int(time.time())
    assert deploy.main(program, "old", "arm64", "--guided", "--debug") == 0
    [command] = runs()
    assert ("--guided" in command, command[-1]) == (False, "--debug"), "only one is for SAM"
    assert int(re.findall(r'Release="(\d+)"', str(command))[0]) >= begun, "it makes new versions"
    assert {'Team2="billing"', 'DeletionProtection="enabled"'} <= set(command)
    assert settings.kept((tmp_path / "samconfig.toml").read_text(), "old").parameters == {
        "Team1": "orders",
        "Team2": "billing",
    }
    each_policy("detach")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _: "")
    assert destroy.main("old", "--guided") == "Nothing was deleted."
    with monkeypatch.context() as failing:
        failing.setattr(Account, "delete", undeleted)
        failing.setattr(Account, "_resources", lambda *_: iter(LEFT))
        assert destroy.main("old") == "It could not be deleted:\nTokenKey: why"
    assert len(boto3.client("s3").list_objects_v2(Bucket="teams")["Contents"]) == 3
    iam.delete_role(RoleName="orders")
    iam.delete_user(UserName="jane")
    iam.delete_group(GroupName="people")
    assert destroy.main("old") is None
    assert Account(boto3.session.Session(region_name=region)).stack("token-broker-old") is None
    left = [each.object_key for each in boto3.resource("s3").Bucket("teams").object_versions.all()]
    assert left == ["team.json", *["token-broker-older/2.template"] * 2], "with old versions"
    assert destroy.main("old") == "There is no stack token-broker-old in eu-west-1."
    (tmp_path / "samconfig.toml").write_text('[old.deploy.parameters]\nregion = "eu-north-1"')
    assert destroy.main("old") == "There is no stack token-broker-old in eu-north-1."
