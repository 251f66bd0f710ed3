"""The template is deployed to moto's CloudFormation, and the broker runs in its resources.

What moto cannot make is listed, and held by the rules of the other modules here.
"""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from tests.functions.world import Counted, World
from tests.template.documents import Template, template
from tests.template.stacks import Stack, resolved
from tests.template.subjects import FLOWS
from token_broker_local.functions import LambdaContext
from token_broker_local.provisions import provide_table

STAGE = "stack"
NAME = f"token-broker-{STAGE}"
NOT_MADE = {
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::Deployment",  # moto gives the API no routes
    "AWS::ApiGateway::Stage",
    "AWS::CloudFormation::Stack",  # alarms and a dashboard are in it
    "AWS::CloudWatch::Alarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Logs::MetricFilter",
}
CODE = tuple(f"functions/{flow}" for flow in FLOWS)
LAYERS = ("layers/token_broker/python", "layers/token_broker_client/python")


def carried() -> Template:
    """Return the translated template as far as moto carries it.

    Moto takes a key's policy for a text, a bus's name for the bus, and knows no alias.
    """
    whole = Stack(template(), {"Stage": STAGE}).chosen_template()
    kept = {k: v for k, v in whole["Resources"].items() if v["Type"] not in NOT_MADE}
    text = json.dumps(kept)
    text = re.sub(r'\{"Ref": "(\w+Function)Aliaslive"\}', r'{"Fn::GetAtt": ["\1", "Arn"]}', text)
    text = re.sub(r"\$\{(\w+Function)Aliaslive\}", r"${\1.Arn}", text)
    text = text.replace('{"Ref": "ApiAccount"}', '"account"')
    resources = json.loads(text.replace('{"Ref": "Events"}', f'"{NAME}"'))
    key = resolved(template(), Stage=STAGE)["TokenKey"]["Properties"]
    resources["TokenKey"]["Properties"]["KeyPolicy"] = json.dumps(key["KeyPolicy"])
    return whole | {"Resources": resources}


@pytest.fixture(scope="module")
def session(aws: tuple[Counted, str]) -> Iterator[Callable[[str], Any]]:
    """A maker of clients of an account with the stack in it."""
    _, url = aws
    credentials = boto3.session.Session("local", "local", region_name="eu-west-1")

    def client(service: str) -> Any:
        return credentials.client(service, endpoint_url=url)  # type: ignore[call-overload]  # any service

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "")
    s3 = client("s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    # Put once: botocore waits a second for a word that this server does not say before it puts.
    first, *others = (*CODE, *LAYERS)
    s3.put_object(Bucket="bucket", Key=first, Body=archive.getvalue())
    for key in others:
        s3.copy_object(Bucket="bucket", Key=key, CopySource=f"bucket/{first}")
    client("cloudformation").create_stack(
        StackName=NAME,
        TemplateBody=json.dumps(carried()),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": STAGE}],
        Capabilities=["CAPABILITY_IAM"],
    )
    yield client
    # moto delivers to no function: what other tests put on the bus must not meet these rules.
    events = client("events")
    for rule in events.list_rules()["Rules"]:
        targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        events.remove_targets(Rule=rule["Name"], Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=rule["Name"])


def key_id(session: Callable[[str], Any]) -> str:
    """Return the id of the stack's key."""
    found: str = session("kms").describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]["KeyId"]
    return found


def test_all_supported_resources_are_created(session: Callable[[str], Any]) -> None:
    """Under the logical names of the template."""
    found = session("cloudformation").list_stack_resources(StackName=NAME)
    made = {each["LogicalResourceId"] for each in found["StackResourceSummaries"]}
    assert made == carried()["Resources"].keys()


def test_the_local_table_is_that_of_the_template() -> None:
    """In keys, billing and time to live: the broker meets no other table on this machine."""
    told: dict[str, Any] = {}
    table: Any = SimpleNamespace(create_table=told.update, update_time_to_live=told.update)
    provide_table(table)
    wanted = resolved(template())["TokenTable"]["Properties"]
    for name in sorted(told.keys() - {"TableName"}):
        assert told[name] == wanted[name]
    assert "TimeToLiveSpecification" in told


@pytest.mark.parametrize("flow", FLOWS)
def test_the_function_works_with_the_created_resources(
    session: Callable[[str], Any], world: World, flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the stack's variables, table and key, and the encryption context of the policies."""
    function = session("lambda").get_function_configuration(FunctionName=f"{NAME}-{flow}")
    assert function["Handler"] == "app.handler"
    for name, value in function["Environment"]["Variables"].items():
        monkeypatch.setenv(name, str(value))
    session("secretsmanager").create_secret(
        Name=f"token-broker/{STAGE}/{flow}/acme", SecretString=json.dumps(world.secret(flow))
    )
    event = {"connection": "acme"}
    answers = [world.cold(flow)(event, LambdaContext(f"{NAME}-{flow}")) for _ in range(2)]
    assert [answer["source"] for answer in answers] == ["exchange", "table"]
    items = session("dynamodb").scan(TableName=NAME)["Items"]
    sealed = [i for i in items if i["connection"]["S"] == f"{flow}#acme" and "token" in i]
    assert sealed
    for item in sealed:
        context = {
            "table": NAME,
            "connection": f"{flow}#acme",
            "variant": item["variant"]["S"],
            "generation": item["generation"]["N"],
        }
        opened = session("kms").decrypt(
            CiphertextBlob=item["token"]["B"], EncryptionContext=context
        )
        assert opened["KeyId"].endswith(key_id(session))


@pytest.mark.parametrize("flow", FLOWS)
def test_created_policies_equal_those_that_the_rules_read(
    session: Callable[[str], Any], flow: str
) -> None:
    """Moto and these tests resolve references alike."""
    logical = f"{flow.capitalize()}Role"
    resource = session("cloudformation").describe_stack_resource(
        StackName=NAME, LogicalResourceId=logical
    )
    role = resource["StackResourceDetail"]["PhysicalResourceId"]
    found = session("iam").get_role_policy(RoleName=role, PolicyName=flow)["PolicyDocument"]
    key = key_id(session)
    read = resolved(template(), Stage=STAGE)[f"{flow.capitalize()}Policy"]["Properties"]
    # A log group's ARN ends with ":*" in AWS, and without it in moto.
    here, there = (json.dumps(each).replace(':*"', '"') for each in (read["PolicyDocument"], found))
    assert json.loads(there.replace(key, "TokenKey")) == json.loads(here)
