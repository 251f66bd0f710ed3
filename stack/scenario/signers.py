"""Signers that are not botocore's: each gets a token, deployed and from `make run`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from stack.account import Identity
from stack.places import HOST, REGION, ROOT
from stack.system import System
from stack.table import Row, Table
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
    """An API, who calls it, and what says whom to trust."""

    url: str
    identity: Identity
    authorities: Mapping[str, str]


def play(system: System, table: Table) -> None:
    """Have every signer that this machine has call both."""
    system.connect("vntana", "signed")  # of its own: a token of another connection would end its
    caller = system.account.session("signer", system.arn("CallVntana"))
    file = str(system.account.places.authorities)
    trust = dict.fromkeys(("REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"), file)
    tried(table, "deployed", Api(f"{system.url()}/v1/vntana/signed/token", caller, trust))
    with local_system() as url:
        identity = Identity(local.ACCESS_KEY, local.SECRET_KEY)
        tried(table, "make run", Api(f"{url}/v1/vntana/demo/token", identity, {}))


def tried(table: Table, where: str, api: Api) -> None:
    """Have each signer ask *api* for a token."""
    for name, command in signers(api).items():
        with table.row(f"{where}: {name}") as row:
            if shutil.which(command[0]):
                row.sees(answered(command, api), "a token")
            else:
                lacks(row, command[0])


def lacks(row: Row, program: str) -> None:
    """Say that this machine cannot try it."""
    row.is_unseen(f"there is no {Path(program).name} on this machine")


def signers(api: Api) -> Mapping[str, list[str]]:
    """Return the command by which each signer asks *api* for a token."""
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
    """Return a program for Node that gets a token, beside what it needs; docs/calling.md has it."""
    page = (ROOT / "docs/calling.md").read_text()
    code = page.partition("```js\n")[2].partition("```")[0]
    program = ROOT / ".tools/aws4fetch/token.mjs"
    program.write_text(code)
    return program


def answered(command: list[str], api: Api) -> str:
    """Run a signer, and say whether it has a token."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "TOKEN_BROKER_URL": api.url.partition("/v1/")[0],
        "CONNECTION": api.url.split("/")[-2],
        **api.authorities,
        **api.identity.environment(),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    has_token = '"headers"' in done.stdout or done.stdout.startswith("200 ")
    return "a token" if has_token else f"{done.stdout}{done.stderr}"


@contextmanager
def local_system() -> Iterator[str]:
    """Have the system of `make run` on ports of its own; tell where its API is."""
    places = next(row for row in map(local.Addresses, range(18_080, 20_000, 10)) if are_free(row))
    command = [sys.executable, "-m", "token_broker_local"]
    environment = os.environ | {"PORT": str(places.port)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout  # noqa: S101 (it is a pipe)
        try:
            if not any(line.startswith("ready") for line in process.stdout):
                raise RuntimeError("the local system does not start")
            yield f"http://{HOST}:{places.port}"
        finally:
            process.terminate()


def are_free(places: local.Addresses) -> bool:
    """Return whether the local system can have these ports."""
    try:
        ports.check(places)
    except ports.PortError:
        return False
    return True
