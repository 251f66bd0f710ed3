"""A fake account: its AWS and its broker give the answers of a test, and record the calls."""

import json
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from tests.cli.statuses import variant

PAGE = 100
"""How many secrets Secrets Manager lists at once."""

STACK = """<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
<DescribeStacksResult><Stacks><member><StackName>token-broker</StackName>
<CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>
<Parameters><member><ParameterKey>Stage</ParameterKey><ParameterValue>{stage}</ParameterValue>
</member></Parameters>
<Outputs><member><OutputKey>ApiUrl</OutputKey><OutputValue>{url}</OutputValue></member></Outputs>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""


HELD = {"since": "2026-11-22T08:34:00Z", "by": "arn:aws:iam::1:user/me", "reason": "leak"}
ACTIONS: dict[tuple[str, str], Mapping[str, Any]] = {
    ("POST", "token"): {
        "flow": "vendorlink",
        "headers": {"Authorization": "Bearer t0ken"},
        "base_url": "https://h.vendorlink.nl",
        "expires_at": "2026-11-22T09:34:00Z",
        "fingerprint": "f00d",
        "generation": 1,
        "source": "table",
        "stale": False,
    },
    ("DELETE", "token"): {"forgotten": 1, "complete": True},
    ("POST", "check"): {"ok": True, "milliseconds": 1.5, "context": {"user": "x", "role": None}},
    ("POST", "verify"): {"valid": True, "parameters": {"file": "demo.dwg"}},
    ("POST", "probe"): {
        "works": True,
        "problem": None,
        "findings": [],
        "options": {},
        "modes": {},
        "sent": {"requests": 4, "logins": 1},
    },
    ("PUT", "hold"): {"held": HELD},
    ("DELETE", "hold"): {"held": None},
}
"""The broker's answers to what is no question for a connection's state."""


def version_of(text: str) -> str:
    """Return the id of the version of a secret that says *text*."""
    return f"{text}-version"


@dataclass
class Account:
    """What there is, what may be done, and what was asked for."""

    url: str = ""
    stage: str = "test"
    secrets: dict[str, str] = field(default_factory=dict)
    """By their whole name."""
    elsewhere: dict[str, str] | None = None
    """The secrets that the broker reads, if it is of another account."""
    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The broker's answers by connection: ``vntana/acme``; a problem has a `status`."""
    actions: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=ACTIONS.copy)
    """The broker's answers to everything else, by method and action."""
    denied: set[str] = field(default_factory=set)
    """Operations of AWS's, and ``api``, that are refused."""
    told: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """Status and body of AWS's answers to operations."""
    unsigned: int = 403
    """The API's status for a call that is not signed."""
    first: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What happens before AWS answers an operation."""
    asked: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    """What AWS was asked, by operation."""
    regions: set[str] = field(default_factory=set)
    """Those that requests were signed for."""
    is_asked: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    """Cleared, the API answers nothing until it is set."""
    stack: tuple[str, str] | None = None
    """The stage and the address that the stack tells of."""

    def add(
        self, place: str, *variants: Mapping[str, Any], secret: str = "{}", **changes: Any
    ) -> None:
        """Add a connection: ``vntana/acme``; *changes* are other members of its status."""
        flow, _, name = place.partition("/")
        self.secrets[f"token-broker/{self.stage}/{place}"] = secret
        told = {"flow": flow, "connection": name, "variants": [*variants] or [variant()]}
        self.answers[place] = told | {"held": None, "complete": True} | changes

    def aws(self, operation: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Return what AWS answers."""
        self.asked[operation] += 1
        self.bodies.setdefault(operation, []).append(body)
        self.first.get(operation, lambda: None)()
        if operation in self.denied:
            return 400, {"__type": "AccessDeniedException", "Message": f"no {operation} for you"}
        if operation in self.told:
            return self.told[operation]
        return getattr(self, f"_{operation}", lambda _: (200, {}))(body)

    def _ListSecrets(self, body: Mapping[str, Any]) -> tuple[int, Any]:  # noqa: N802 (AWS's name)
        begin = int(body.get("NextToken", 0))
        names = [*self.secrets][begin : begin + PAGE]
        more = {"NextToken": str(begin + PAGE)} if begin + PAGE < len(self.secrets) else {}
        return 200, {"SecretList": [{"Name": name} for name in names]} | more

    def _GetSecretValue(self, body: Mapping[str, Any]) -> tuple[int, Any]:  # noqa: N802 (same)
        text = self.secrets.get(body["SecretId"])
        if text is None:
            return 400, {"__type": "ResourceNotFoundException", "Message": "none"}
        return 200, {"SecretString": text, "VersionId": version_of(text)}

    def _PutSecretValue(self, body: Mapping[str, Any]) -> tuple[int, Any]:  # noqa: N802 (same)
        if body["SecretId"] not in self.secrets:
            return 400, {"__type": "ResourceNotFoundException", "Message": "none"}
        self.secrets[body["SecretId"]] = body["SecretString"]
        return 200, {"VersionId": version_of(body["SecretString"])}

    def _CreateSecret(self, body: Mapping[str, Any]) -> tuple[int, Any]:  # noqa: N802 (same)
        if body["Name"] in self.secrets:
            return 400, {"__type": "ResourceExistsException", "Message": "it exists"}
        self.secrets[body["Name"]] = body["SecretString"]
        return 200, {"VersionId": version_of(body["SecretString"])}

    def broker(self, method: str, path: str) -> tuple[int, Any]:
        """Return what the API answers."""
        self.asked[f"{method} {path}"] += 1
        self.is_asked.set()
        self.goes_on.wait()
        if "api" in self.denied:
            return 403, {"message": "User is not authorized"}
        flow, name, *rest = path.partition("/v1/")[2].split("/")
        place, action = f"{flow}/{name}", "".join(rest)
        none = {"code": "unknown_connection", "detail": "there is no secret", "status": 404}
        told = dict(self.answers.get(place, none))
        if method == "GET" and told.get("code") in (None, none["code"]):
            secrets = self.secrets if self.elsewhere is None else self.elsewhere
            text = secrets.get(f"token-broker/{self.stage}/{place}")
            known = told if "code" not in told else {"variants": []}
            told = none if text is None else known | {"secret_version": version_of(text)}
        if method != "GET" and "code" not in told:
            told = dict(self.actions[method, action])
        return int(told.get("status", 200)), told


class Handler(BaseHTTPRequestHandler):
    """Answers for the account."""

    protocol_version = "HTTP/1.1"

    def __init__(self, account: Account, *rest: Any) -> None:
        self.account = account
        super().__init__(*rest)

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target", "")
        if scope := self.headers.get("Authorization"):
            self.account.regions.add(scope.split("/")[2])
        if target:
            status, told = self.account.aws(target.partition(".")[2], json.loads(body))
        elif self.path == "/":
            status, told = self._query(body.decode())
        elif "Authorization" not in self.headers:
            elsewhere = self.path == "/elsewhere"
            status = 403 if elsewhere else self.account.unsigned
            told = {"message": "Missing Authentication Token"}
        else:
            status, told = self.account.broker(self.command, self.path)
        content = told if isinstance(told, str) else json.dumps(told)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content.encode())))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(content.encode())

    do_GET = do_DELETE = do_PUT = do_POST  # noqa: N815 (the server's names)

    def _query(self, body: str) -> tuple[int, Any]:
        asked = dict(parse_qsl(body))
        operation = asked["Action"]
        self.account.asked[operation] += 1
        self.account.bodies.setdefault(operation, []).append(asked)
        if operation in self.account.told:
            return self.account.told[operation]
        if operation == "DescribeStacks" and self.account.stack:
            stage, url = self.account.stack
            return 200, STACK.format(stage=stage, url=url)
        identity = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/me"
        return 200, f"{identity}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"

    def log_message(self, *_: object) -> None:
        """Write nothing."""


class Server(ThreadingHTTPServer):
    """Prints no traceback for a client that a test has interrupted."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnected; print any other exception."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(account: Account, tls: ssl.SSLContext | None = None) -> Iterator[Account]:
    """Serve *account* on loopback, through *tls* if it is given."""
    account.goes_on.set()
    with Server(("127.0.0.1", 0), partial(Handler, account)) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        account.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield account
        finally:
            account.goes_on.set()
            server.shutdown()
            thread.join()
