"""The code and the facts in `docs/calling.md` are correct."""

import ast
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from tests.client.systems import System
from token_broker_client import (
    Broker,
    BrokerError,
    cache,
    deadline,
    errors,
    refusals,
)
from token_broker_client.cache import Cache
from token_broker_fakes import FakeEditor, FakeVendorlink, FakeVntana
from token_broker_local.addresses import ACCESS_KEY, REGION, SECRET_KEY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/calling.md").read_text()
NAMES = {kind.__name__: kind for kind in errors.KINDS.values()}


def blocks(language: str) -> list[str]:
    """Return the code of one language, in the page's order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def _connections(system: System) -> Iterator[None]:
    """The connection `acme` of each flow."""
    vntana, vendorlink, editor = FakeVntana(), FakeVendorlink(), FakeEditor()
    with ExitStack() as stack:
        for fake in (vntana, vendorlink, editor):
            stack.enter_context(fake.serve())
        system.connect("vntana", vntana.demo_secret(vntana.url), "acme")
        system.connect("vendorlink", vendorlink.demo_secret(vendorlink.url), "acme")
        system.connect("editor", editor.demo_secret(editor.url), "acme")
        yield


@pytest.fixture
def environment(_connections: None, system: System, bare_environment: pytest.MonkeyPatch) -> None:
    """What a caller's environment has in Lambda."""
    settings = {
        "TOKEN_BROKER_URL": system.url,
        "AWS_ENDPOINT_URL_LAMBDA": system.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }
    for name, value in settings.items():
        bare_environment.setenv(name, value)
    bare_environment.setattr(cache, "SHARED", Cache())


def localized(text: str) -> str:
    """Return *text* with the names that the local system gives its functions."""
    return text.replace("token-broker-prod", "token-broker").replace(":live", "")


@pytest.mark.usefixtures("environment")
def test_the_python_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    """From the first line to the last, as one program."""
    found: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(localized(block), "calling.md", "exec"), found)  # noqa: S102 (that is the test)
        if "redirect_to" in block:
            assert "apitoken=" in found["redirect_to"]
        if "session.get" in block:
            assert found["answer"].json()["response"]["slug"] == "acme"
    assert "something else unknown_connection False" in capsys.readouterr().out
    assert found["answer"].flow == "vntana"


def test_the_lambda_on_the_page_equals_the_example_file() -> None:
    """Except the retries and the handler of the example."""
    example = ast.dump(ast.parse((ROOT / "docs/examples/organization.py").read_text()))
    for call in ("vntana.auth()", "vntana.url('/v1/organizations/current')"):
        assert call in blocks("python")[0].replace('"', "'")
        assert ast.dump(ast.parse(call, mode="eval").body) in example


class Template(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


Template.add_multi_constructor("!", lambda loader, suffix, node: {suffix: node.value})  # noqa: ARG005 (yaml's form)


def test_the_template_on_the_page_uses_outputs_of_the_stack() -> None:
    """And the handler and the variables of the example."""
    outputs = yaml.load((ROOT / "template.yaml").read_text(), Template)["Outputs"]  # noqa: S506 (a SafeLoader)
    (shown,) = (yaml.load(block, Template) for block in blocks("yaml"))  # noqa: S506 (same)
    properties = shown["OrganizationFunction"]["Properties"]
    variables = properties["Environment"]["Variables"]
    named = [*properties["Layers"], *properties["Policies"], variables["TOKEN_BROKER_URL"]]
    assert {one["Ref"] for one in named} <= outputs.keys()
    module, _, handler = properties["Handler"].partition(".")
    example = (ROOT / f"docs/examples/{module}.py").read_text()
    assert f"def {handler}(" in example
    assert all(f'os.environ["{name}"]' in example for name in variables)
    for name in re.findall(r"`(\w+(?:PolicyArn|LayerArn|ApiUrl))`", PAGE):
        assert name in outputs


def machine() -> Mapping[str, Any]:
    (found,) = (block for block in map(json.loads, blocks("json")) if "States" in block)
    states: Mapping[str, Any] = found["States"]
    return states


def test_each_transition_of_the_state_machine_has_a_target() -> None:
    states = machine()
    token = states["Token"]
    leads = [token["Next"], *(one["Next"] for one in token["Catch"])]
    assert {*leads, "Token"} == states.keys()


def test_the_state_machine_retries_exactly_the_retryable_errors() -> None:
    """By name; each error that it catches is one of the client's."""
    token = machine()["Token"]
    ours, lambdas = (set(rule["ErrorEquals"]) for rule in token["Retry"])
    assert ours == {name for name, kind in NAMES.items() if kind.retryable} - {"Unreachable"}
    assert all(name.startswith("Lambda.") for name in lambdas)
    for rule in token["Catch"]:
        assert {*rule["ErrorEquals"]} <= {*NAMES, "States.ALL"}
    assert token["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


@pytest.mark.usefixtures("environment")
def test_the_task_of_the_state_machine_returns_a_token_or_a_caught_error() -> None:
    """As Step Functions does it: invoke, and look for the name of an error."""
    token = machine()["Token"]
    lambdas = boto3.client("lambda")
    name = localized(token["Parameters"]["FunctionName"])
    payload = token["Parameters"]["Payload"]
    answer = lambdas.invoke(FunctionName=name, Payload=json.dumps(payload))
    body = json.load(answer["Payload"])
    for selected in token["ResultSelector"].values():
        assert body[selected.removeprefix("$.Payload.")]
    answer = lambdas.invoke(
        FunctionName=name, Payload=json.dumps(payload | {"connection": "nobody"})
    )
    error = json.load(answer["Payload"])["errorType"]
    caught = next(rule["Next"] for rule in token["Catch"] if error in rule["ErrorEquals"])
    assert caught == "TellTheOperator"


@pytest.mark.usefixtures("environment")
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_the_curl_example_works() -> None:
    """With a user's keys; a role's session token is sent, which the local gateway refuses."""
    (line,) = blocks("sh")

    def pasted(**variables: str) -> str:
        return subprocess.check_output(line, shell=True, text=True, env=os.environ | variables)  # noqa: S602 (as a reader does)

    assert json.loads(pasted())["headers"]["X-AUTH-TOKEN"].startswith("Bearer ")
    assert "security token" in pasted(AWS_SESSION_TOKEN="that/of+a=role")


def test_the_page_explains_every_error() -> None:
    table = PAGE.partition("## Errors")[2].partition("## A container")[0]
    assert {name for name in NAMES if f"`{name}`" in table} == NAMES.keys() - {"UpstreamError"}


def test_the_numbers_on_the_page_equal_the_code() -> None:
    """Deadlines, cache times, and the time until a revocation has an effect."""
    template = yaml.load((ROOT / "template.yaml").read_text(), Template)  # noqa: S506 (a SafeLoader)
    memory = int(template["Parameters"]["MemorySeconds"]["Default"])
    for sentence in (
        f"{deadline.SECONDS:g} s in total (`patience=`)",
        f"has one caller ask for the next, for {cache.RENEWAL_SECONDS:g} s at most",
        f"for {memory} s more (`MEMORY_SECONDS`)",
        f"for {cache.MAX_AGE_SECONDS:g} s after that (`max_age`)",
        f"uses its token until {cache.SAFETY_SECONDS:g} s before that ends",
        f"{memory + cache.MAX_AGE_SECONDS:g} s, as long as the callers can reach",
    ):
        assert sentence in " ".join(PAGE.split())
    assert (cache.MAX_AGE_SECONDS, refusals.FORBIDDEN_SECONDS) == (300, 30)
    for phrase in ("was got five minutes ago (`max_age=`)", "for half a minute this process"):
        assert phrase in PAGE


def test_the_policy_on_the_page_allows_the_function_of_the_state_machine() -> None:
    """And the methods that the page names exist."""
    (policy,) = (block for block in map(json.loads, blocks("json")) if "Statement" in block)
    arn = policy["Statement"][0]["Resource"]
    assert arn == machine()["Token"]["Parameters"]["FunctionName"]
    assert "token-broker-prod-vntana:live" in arn
    for name in re.findall(r"`(?:Broker)?\.(\w+)`", PAGE):
        assert hasattr(Broker, name)
    assert issubclass(errors.UpstreamUnavailable, BrokerError)


def test_the_client_package_has_the_version_and_dependencies_of_the_layer() -> None:
    """And the same Python and extras."""
    import tomllib  # noqa: PLC0415 (only here)

    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    folder = ROOT / "layers/token_broker_client"
    alone = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert alone["version"] == whole["version"]
    assert alone["requires-python"] == whole["requires-python"]
    assert alone["optional-dependencies"]["httpx"] == whole["optional-dependencies"]["httpx"]
    lines = (folder / "python/requirements.txt").read_text().splitlines()
    layers = [line for line in lines if not line.startswith("#")]
    boto3s = (ROOT / "layers/token_broker/runtime.txt").read_text().split()
    assert sorted(alone["dependencies"]) == sorted([*layers, *boto3s])
