"""`make deploy` and `make destroy` in an account of AWS: its stacks, policies and files."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError
from botocore.stub import Stubber

from tests.functions.world import Counted
from tests.template.documents import ROOT, template
from token_broker_operations import deploy, destroy, settings
from token_broker_operations.destroy import SAMS_STACK
from token_broker_operations.settings import Settings
from token_broker_operations.stacks import Account, Deployed

CONFIG = (ROOT / "samconfig.toml").read_text()


class ReplacedSam:
    """A program instead of SAM, which writes down its arguments."""

    def __init__(self, folder: Path) -> None:
        self.path, self._log = str(folder / "sam"), folder / "log"
        self._log.touch()
        Path(self.path).write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" END >> {self._log}\n')
        Path(self.path).chmod(0o700)

    def runs(self) -> list[list[str]]:
        """Return the arguments of each run."""
        return [run.split("\n")[:-1] for run in self._log.read_text().split("END\n")[:-1]]


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


@pytest.mark.parametrize("kept", [None, "Linear10PercentEvery1Minute"])
def test_a_given_deployment_type_is_that_of_one_deployment(
    kept: str | None, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is a canary, or what the file says: CloudFormation would keep the given type."""
    stored = {"DeploymentType": kept} if kept else {}
    monkeypatch.setattr(Account, "stack", lambda *_: Deployed("UPDATE_COMPLETE", {}))
    config, sam = alone / "samconfig.toml", ReplacedSam(alone)
    config.write_text(settings.written("", "dev", Settings("eu-west-1", stored)))
    for parameters in ("DeploymentType=AllAtOnce LogLevel=DEBUG", ""):
        monkeypatch.setenv("PARAMETERS", parameters)
        assert deploy.main(sam.path, "dev", "arm64") == 0
        expected = Settings("eu-west-1", {"LogLevel": "DEBUG", **stored})
        assert settings.kept(config.read_text(), "dev") == expected
    default = template()["Parameters"]["DeploymentType"]["Default"]
    types = [re.findall(r'DeploymentType="(\w+)"', str(run)) for run in sam.runs()]
    assert types == [["AllAtOnce"], [kept or default]]


@pytest.fixture
def stubs() -> Iterator[dict[str, Stubber]]:
    """AWS's services, of which a test gives the answers."""
    session = boto3.session.Session("local", "local", region_name="eu-west-1")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Stubber(session.client(name)))
            for name in ("cloudformation", "iam", "s3")
        }


@pytest.fixture
def session(stubs: dict[str, Stubber]) -> boto3.session.Session:
    """A session with these services."""
    session = SimpleNamespace(client=lambda name: stubs[name].client)
    return cast("boto3.session.Session", session)


@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_a_stack_that_may_not_be_seen_is_an_error(
    stubs: dict[str, Stubber], session: boto3.session.Session, code: str
) -> None:
    """It could be there: a creation would fail, and files would be left. None is no error."""
    stacks, account = stubs["cloudformation"], Account(session)
    stacks.add_client_error("describe_stacks", code)
    with pytest.raises(ClientError, match=code):
        account.stack("token-broker-new")
    stacks.add_client_error("describe_stacks", code)
    with pytest.raises(ClientError, match=code):
        list(destroy.delete_files(session, "new"))
    missing = f"Stack with id {SAMS_STACK} does not exist"
    stacks.add_client_error("describe_stacks", "ValidationError", missing)
    assert list(destroy.delete_files(session, "new")) == []


def test_all_pages_of_resources_principals_and_files_are_read(
    stubs: dict[str, Stubber], session: boto3.session.Session
) -> None:
    """AWS lists 100 resources, 100 principals and 1000 files at once.

    A failed creation lists a policy without an ARN; it is attached to no role. The stack's own
    roles go before it. A file that S3 does not delete is reported.
    """
    now = datetime.now(UTC)
    unmade = {
        "LogicalResourceId": "CallVntana",
        "ResourceType": "AWS::IAM::ManagedPolicy",
        "ResourceStatus": "CREATE_FAILED",
        "LastUpdatedTimestamp": now,
    }
    first = {"StackResourceSummaries": [unmade], "NextToken": "2"}
    made = unmade | {"PhysicalResourceId": "arn:aws:iam::aws:policy/p"}
    role = made | {"ResourceType": "AWS::IAM::Role", "PhysicalResourceId": "of-the-stack"}
    sams = {"StackName": "s", "CreationTime": now, "StackStatus": "CREATE_COMPLETE"}
    sams |= {"Outputs": [{"OutputKey": "SourceBucket", "OutputValue": "bucket"}]}
    roles = [{"RoleName": name} for name in ("orders", "of-the-stack")]
    answers: list[tuple[str, str, dict[str, Any]]] = [
        ("cloudformation", "list_stack_resources", first),
        ("cloudformation", "list_stack_resources", {"StackResourceSummaries": [made, role]}),
        ("iam", "list_entities_for_policy", {"IsTruncated": True, "Marker": "2"}),
        ("iam", "list_entities_for_policy", {"PolicyRoles": roles}),
        ("cloudformation", "describe_stacks", {"Stacks": [sams]}),
        ("s3", "list_object_versions", {"IsTruncated": True, "NextKeyMarker": "2"}),
        ("s3", "list_object_versions", {"Versions": [{"Key": "new/1", "VersionId": "1"}]}),
        ("s3", "delete_objects", {"Errors": [{"Key": "new/1", "Code": "AccessDenied"}]}),
    ]
    for service, operation, answer in answers:
        stubs[service].add_response(operation, answer)
    assert list(Account(session).attached("new")) == ["role orders has CallVntana"]
    left = destroy.delete_files(session, "new")
    assert list(left) == ["s3://bucket/new/1: AccessDenied"]
    for stub in stubs.values():
        stub.assert_no_pending_responses()


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    """Return a resource of a template."""
    return {"Type": f"AWS::{kind}", "Properties": properties}


def document(action: str, **more: Any) -> dict[str, Any]:
    """Return a document of IAM's that allows one action."""
    statement = {"Effect": "Allow", "Action": action, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def managed(name: str) -> dict[str, Any]:
    """Return a managed policy."""
    policy = document("lambda:InvokeFunction", Resource="*")
    return resource("IAM::ManagedPolicy", ManagedPolicyName=name, PolicyDocument=policy)


TRUST = document("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
OF_THE_TEAM = {"Resources": {"InvokeVntana": managed("of-the-team")}}
STACK = {
    "Parameters": {"Team1": {"Type": "String", "Default": "orders"}},
    "Resources": {
        "CallVntana": managed("of-the-stack"),
        "Team1Stack": resource(
            "CloudFormation::Stack", TemplateURL="https://s3.amazonaws.com/teams/team.json"
        ),
    },
}
OF_SAM = {"Resources": {}, "Outputs": {"SourceBucket": {"Value": "teams"}}}
FILES = ("old/0.template", "old/1.template", "older/2.template")


@pytest.fixture
def account(
    aws: tuple[Counted, str], alone: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Account]:
    """An account with a stack that has policies, one of them a team's, and the stage's settings."""
    (alone / "samconfig.toml").write_text(CONFIG)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws[1])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
    s3.create_bucket(Bucket="teams", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    # SAM's bucket keeps the old versions of its files.
    s3.put_bucket_versioning(Bucket="teams", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="teams", Key="team.json", Body=json.dumps(OF_THE_TEAM).encode())
    for name, body in (("token-broker-old", STACK), (SAMS_STACK, OF_SAM)):
        cloudformation.create_stack(
            StackName=name, TemplateBody=json.dumps(body), Capabilities=["CAPABILITY_IAM"]
        )
    for key in FILES:
        for content in (b"{}", b"{ }"):
            s3.put_object(Bucket="teams", Key=f"token-broker-{key}", Body=content)
    # It leaves a delete marker; moto makes none for a file that never was.
    s3.delete_object(Bucket="teams", Key=f"token-broker-{FILES[0]}")
    [marker] = s3.list_object_versions(Bucket="teams")["DeleteMarkers"]
    assert marker["Key"] == f"token-broker-{FILES[0]}"
    yield Account(boto3.session.Session())
    cloudformation.delete_stack(StackName=SAMS_STACK)
    boto3.resource("s3").Bucket("teams").object_versions.delete()
    s3.delete_bucket(Bucket="teams")


STATUSES = {"TokenKey": "DELETE_FAILED", "Gone": "DELETE_COMPLETE", "Unchanged": "UPDATE_FAILED"}
LEFT = [
    {"LogicalResourceId": name, "ResourceStatus": status, "ResourceStatusReason": "why"}
    for name, status in STATUSES.items()
]
"""The resources of a stack of which one cannot be deleted."""


def undeleted(*_: object) -> None:
    """Fail as the deletion of such a stack does."""
    raise WaiterError("stack_delete_complete", "it did not", {})


OPTIONS = {"--resolve-s3", "--no-fail-on-empty-changeset", "--no-confirm-changeset"}
OPTIONS |= {"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"}  # the second is of nested stacks
NAMED = {"role": "orders", "user": "jane", "group": "people"}


def for_each_policy(do: str) -> None:
    """Attach the policies of team and stack to each principal, or detach them."""
    for kind, name in NAMED.items():
        for of in ("team", "stack"):
            change = getattr(boto3.client("iam"), f"{do}_{kind}_policy")
            policy = f"arn:aws:iam::123456789012:policy/of-the-{of}"
            change(**{f"{kind.capitalize()}Name": name}, PolicyArn=policy)


def test_a_policy_that_is_still_attached_is_not_deleted(
    account: Account, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IAM would refuse: neither a team nor the stack is deleted while a role has the policy."""
    config, sam, iam = alone / "samconfig.toml", ReplacedSam(alone), boto3.client("iam")
    iam.create_role(RoleName="orders", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_user(UserName="jane")
    iam.create_group(GroupName="people")

    for_each_policy("attach")
    of_team, of_stack = (
        [f"{kind} {name} has {policy}" for kind, name in NAMED.items()]
        for policy in ("InvokeVntana", "CallVntana")
    )
    assert sorted(account.attached("token-broker-old")) == sorted([*of_team, *of_stack])
    assert "role orders has CallVntana: detach it" in str(destroy.main("old"))
    monkeypatch.setenv("PARAMETERS", "Team1=")
    refused = str(deploy.main(sam.path, "old", "arm64"))
    assert refused.splitlines() == [f"{each}: detach it first." for each in of_team]
    assert sam.runs() == []
    assert config.read_text() == CONFIG, "nothing refused is stored"

    monkeypatch.setenv("PARAMETERS", "Team1=orders Team2=billing")
    begun = int(time.time())
    assert deploy.main(sam.path, "old", "arm64", "--guided", "--debug") == 0
    [command] = sam.runs()
    assert set(command) > OPTIONS
    assert command[command.index("--s3-prefix") + 1] == "token-broker-old"
    assert ("--guided" in command, command[-1]) == (False, "--debug"), "only one is for SAM"
    assert int(re.findall(r'Release="(\d+)"', str(command))[0]) >= begun, "it makes new versions"
    assert {'Team2="billing"', 'DeletionProtection="enabled"'} <= set(command)
    teams = {"Team1": "orders", "Team2": "billing"}
    assert settings.kept(config.read_text(), "old").parameters == teams

    for_each_policy("detach")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _: "")
    assert destroy.main("old", "--guided") == "Nothing was deleted."
    with monkeypatch.context() as failing:
        failing.setattr(Account, "attached", lambda *_: iter(()))
        failing.setattr(Account, "_resources", lambda *_: iter(LEFT))
        failing.setattr(Account, "delete", undeleted)
        assert destroy.main("old") == "It could not be deleted:\nTokenKey: why"
        failing.setattr(Account, "delete", lambda *_: None)
        failing.setattr(destroy, "delete_files", lambda *_: iter(["s3://b/k: AccessDenied"]))
        assert destroy.main("old") == "These files were not deleted:\ns3://b/k: AccessDenied"
    assert len(boto3.client("s3").list_objects_v2(Bucket="teams")["Contents"]) == 3
    iam.delete_role(RoleName="orders")
    iam.delete_user(UserName="jane")
    iam.delete_group(GroupName="people")
    assert destroy.main("old") is None
    assert account.stack("token-broker-old") is None
    left = [each.object_key for each in boto3.resource("s3").Bucket("teams").object_versions.all()]
    assert left == ["team.json", *["token-broker-older/2.template"] * 2], "with old versions"
    assert destroy.main("old") == "There is no stack token-broker-old in eu-west-1."
    config.write_text('[old.deploy.parameters]\nregion = "eu-north-1"')
    assert destroy.main("old") == "There is no stack token-broker-old in eu-north-1."
