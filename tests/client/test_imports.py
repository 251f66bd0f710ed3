"""The cost of the client at a cold start, counted without a clock.

The measures are the code that is loaded, in bytes of bytecode, and the calls that it makes. They
agree with the instructions that valgrind counts (1.04), and do not depend on how busy a machine is.
"""

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import token_broker_client

BUDGET = 1.1
"""Times the cost of signing requests to AWS by hand."""

BY_HAND = "import requests, botocore.auth, botocore.awsrequest"
ALL = (
    "from token_broker_client import Broker; "
    "broker = Broker.from_url('https://a.execute-api.eu-west-1.amazonaws.com/prod'); "
    "broker.access('vntana', 'acme').auth()"
)
COUNT = """
import json, marshal, sys
sizes = {}
for module in list(sys.modules.values()):
    spec = getattr(module, "__spec__", None)
    if hasattr(spec, "loader") and hasattr(spec.loader, "get_code") and spec.cached:
        sizes[spec.name] = len(marshal.dumps(spec.loader.get_code(spec.name)))
print(json.dumps(sizes))
"""

CALLS = """
import sys
calls = 0
def count(*_):
    global calls
    calls += 1
sys.setprofile(count)
{0}
before = calls
{1}
sys.setprofile(None)
print(calls / before)
"""


def loaded(statement: str) -> dict[str, int]:
    """Return the modules that a new interpreter has after *statement*, and the size of each."""
    run = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{COUNT}"], capture_output=True, text=True, check=True
    )
    sizes: dict[str, int] = json.loads(run.stdout)
    return sizes


@pytest.fixture(scope="module")
def by_hand() -> dict[str, int]:
    return loaded(BY_HAND)


def test_the_client_loads_at_most_a_tenth_more_code_than_its_dependencies(
    by_hand: dict[str, int],
) -> None:
    """With everything that a first call through the API loads."""
    everything = loaded(f"{BY_HAND}; {ALL}")
    assert sum(everything.values()) <= BUDGET * sum(by_hand.values())


def test_loading_makes_at_most_a_tenth_more_calls_than_the_dependencies() -> None:
    """Counted in calls, from the import to a session that is ready to sign."""
    script = CALLS.format(BY_HAND, ALL)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 1 < float(run.stdout) <= BUDGET


def test_the_client_loads_no_further_packages(by_hand: dict[str, int]) -> None:
    """Besides requests, botocore's signer, and what these load."""
    rest = loaded(f"{BY_HAND}; {ALL}").keys() - by_hand.keys()
    assert {name.partition(".")[0] for name in rest} == {"token_broker_client"}


def test_the_import_alone_loads_no_dependencies(by_hand: dict[str, int]) -> None:
    """It costs a tenth of the budget: a Lambda may import it and never need a token."""
    alone = loaded("import token_broker_client")
    heavy = {"requests", "urllib3", "botocore", "boto3", "httpx", "anyio", "ssl", "http"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in alone)
    own = sum(size for name, size in alone.items() if name.startswith("token_broker_client"))
    assert own < 0.1 * sum(by_hand.values())


@pytest.mark.parametrize("library", ["boto3", "httpx", "token_broker", "anyio"])
def test_the_client_works_without_the_broker_and_optional_packages(library: str) -> None:
    """The layer is for functions that have no other layer of this project."""
    statement = f"import sys; sys.modules[{library!r}] = None; {ALL}"
    assert "token_broker_client.requests_auth" in loaded(statement)


FIRST_CALL = """
import os, sys
os.environ.update(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_DEFAULT_REGION="eu-west-1")
os.environ.update(HTTPS_PROXY="http://a..b:1", NO_PROXY="", no_proxy="")
from token_broker_client import Broker, Unreachable
try: {0}.status("vntana", "acme")
except Unreachable as error: assert "LocationParseError" in error.detail, error
else: raise AssertionError
assert not {{"boto3", "requests"}} & sys.modules.keys()
"""


@pytest.mark.parametrize(
    "made",
    [
        "Broker.from_url('https://a.execute-api.eu-west-1.amazonaws.com/prod', patience=60)",
        "Broker.from_function('token-broker', patience=60)",
    ],
)
def test_a_call_loads_neither_boto3_nor_requests(made: str) -> None:
    """The error of the invalid proxy shows that the call was signed and about to be sent."""
    loaded(FIRST_CALL.format(made))


def test_a_missing_httpx_is_named_in_the_import_error() -> None:
    """Python names an extra that is not installed."""
    statement = (
        "import sys; sys.modules['httpx'] = None\n"
        "from token_broker_client import Broker\n"
        "access = Broker.from_function('token-broker').access('vntana', 'acme')\n"
        "try: access.httpx_auth()\n"
        "except ImportError as error: assert 'httpx' in str(error), error\n"
        "else: raise AssertionError"
    )
    loaded(statement)


def test_the_modules_of_the_client_have_no_import_cycle() -> None:
    """Neither in functions nor for types."""
    folder = Path(token_broker_client.__file__).parent
    needs: dict[str, set[str]] = {}
    for file in folder.glob("*.py"):
        named: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "token_broker_client":
                named |= {one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                named |= {node.module.removeprefix("token_broker_client.")}
        needs[file.stem] = {name for name in named if (folder / f"{name}.py").is_file()}
    assert needs["broker"] >= {"cache", "requests_auth"}
    assert "errors" in list(TopologicalSorter(needs).static_order())
