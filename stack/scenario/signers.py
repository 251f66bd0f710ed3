"""Other signers than botocore: each gets a token from the stack and from `make run`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from stack.account import Identity
from stack.report import Report
from stack.settings import HOST, REGION, ROOT
from stack.system import System
from token_broker_local import addresses as local
from token_broker_local import ports

TOOLS = ROOT / ".tools/stack"
BODY = '{"min_ttl": 60}'

REQUESTS = """
import os, sys, requests
from requests_aws4auth import AWS4Auth

keys = [os.environ[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION")]
token = os.environ.get("AWS_SESSION_TOKEN")
auth = AWS4Auth(*keys, "execute-api", **({"session_token": token} if token else {}))
print(requests.post(sys.argv[1], data=sys.argv[2], auth=auth, timeout=40).text)
"""


class Api(NamedTuple):
    """An API, its caller, and the environment variables with its certificate."""

    url: str
    identity: Identity
    ca_variables: Mapping[str, str]


def run(system: System, report: Report) -> None:
    """Call both with each signer that this machine has."""
    system.connect("vntana", "signed")  # not shared: another login would end its token
    caller = system.account.session("signer", system.arn("CallVntana"))
    file = str(system.account.settings.ca_file)
    variables = dict.fromkeys(("REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"), file)
    url = f"{system.url()}/v1/vntana/signed/token"
    check_signers(report, "deployed", Api(url, caller, variables))
    with local_system() as url:
        identity = Identity(local.ACCESS_KEY, local.SECRET_KEY)
        check_signers(report, "make run", Api(f"{url}/v1/vntana/demo/token", identity, {}))


def check_signers(report: Report, where: str, api: Api) -> None:
    """Request a token of *api* with each signer."""
    for name, command in signers(api).items():
        with report.check(f"{where}: {name}") as check:
            if shutil.which(command[0]):
                check.equals(outcome(command, api), "a token")
            else:
                check.skip(f"there is no {Path(command[0]).name} on this machine")


def signers(api: Api) -> Mapping[str, list[str]]:
    """Return each signer's command that requests a token of *api*."""
    header = ["-H", f"x-amz-security-token: {api.identity.token}"] if api.identity.token else []
    keys = ":".join(api.identity[:2])
    sigv4 = ["--aws-sigv4", f"aws:amz:{REGION}:execute-api", "--user", keys, *header]
    awscurl = [str(TOOLS / "bin/awscurl"), "--service", "execute-api", "--region", REGION]
    return {
        "curl": ["curl", "--silent", *sigv4, "-X", "POST", "-d", BODY, api.url],
        "awscurl": [*awscurl, "-X", "POST", "-d", BODY, api.url],
        "requests-aws4auth": [str(TOOLS / "bin/python"), "-c", REQUESTS, api.url, BODY],
        "aws4fetch, by Node": ["node", str(node_program()), api.url, BODY],
    }


def node_program() -> Path:
    """Write the program of docs/calling.md beside the package that it imports; return its path."""
    page = (ROOT / "docs/calling.md").read_text()
    code = page.partition("```js\n")[2].partition("```")[0]
    program = ROOT / ".tools/aws4fetch/token.mjs"
    program.write_text(code)
    return program


def outcome(command: list[str], api: Api) -> str:
    """Run a signer, and return `a token` or its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "TOKEN_BROKER_URL": api.url.partition("/v1/")[0],
        "CONNECTION": api.url.split("/")[-2],
        **api.ca_variables,
        **api.identity.environment(),
    }
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    has_token = '"headers"' in result.stdout or result.stdout.startswith("200 ")
    return "a token" if has_token else f"{result.stdout}{result.stderr}"


@contextmanager
def local_system() -> Iterator[str]:
    """Run the system of `make run` on free ports; yield the API's URL."""
    candidates = map(local.Addresses, range(18_080, 20_000, 10))
    addresses = next(filter(are_free, candidates))
    command = [sys.executable, "-m", "token_broker_local"]
    environment = os.environ | {"PORT": str(addresses.port)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout  # noqa: S101 (it is a pipe)
        try:
            if not any(line.startswith("ready") for line in process.stdout):
                raise RuntimeError("the local system does not start")
            yield f"http://{HOST}:{addresses.port}"
        finally:
            process.terminate()


def are_free(addresses: local.Addresses) -> bool:
    """Return whether these ports are free."""
    try:
        ports.check(addresses)
    except ports.PortError:
        return False
    return True
