"""The whole broker in one process for a test: AWS by moto over loopback, vendors by their fakes."""

import json
import logging
import os
import sys
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from tests.subjects import proof
from tests.waiting import CALL_SECONDS
from token_broker.app import CLOCK, Environment
from token_broker.dependencies import Clock, Dependencies
from token_broker.document import Document
from token_broker.errors import InvalidRequest
from token_broker.flows import every
from token_broker.handler import Service
from token_broker.records import replace
from token_broker.tokens import ONLY
from token_broker_fakes import FakeEditor, FakeVendorlink, FakeVntana
from token_broker_fakes.fake import Fake
from token_broker_local.addresses import TABLE, secret_name
from token_broker_local.functions import LambdaContext

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

FLOWS = every()
CALLER = "arn:aws:sts::123456789012:assumed-role/orders/session"


def client(service: str) -> Any:
    """Return a client of boto3's: to make one takes longer than to ask it."""
    return _client(service, os.environ["AWS_ENDPOINT_URL"])


@cache
def _client(service: str, url: str) -> Any:
    session: Any = boto3.session.Session("local", "local", region_name="eu-west-1")
    return session.client(service, endpoint_url=url)


class Counted:
    """A WSGI application that counts calls to AWS, and fails those that a test names."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self.calls: Counter[str] = Counter()
        self.broken: dict[str, tuple[str, str]] = {}

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer one request, or fail it."""
        operation = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]
        self.calls[operation] += 1
        if operation not in self.broken:
            return self._application(environ, start)
        status, code = self.broken[operation]
        start(status, [("content-type", "application/x-amz-json-1.0")])
        return [json.dumps({"__type": f"com.amazonaws#{code}", "message": "broken"}).encode()]


@dataclass
class World:
    """The broker, AWS and the vendors, with methods for tests."""

    aws: Counted
    fakes: Mapping[str, Fake[Any]]
    ahead: int = 0
    """Seconds by which the broker's and the vendors' clocks are ahead."""
    stands_at: int | None = field(default_factory=CLOCK.now)
    """When the broker's clock stands, but for what it is ahead; None lets it run."""
    invoked: list[Mapping[str, Any]] = field(default_factory=list)
    announced: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """What the bus was told, but for `replaced`."""
    replaced: list[Mapping[str, Any]] = field(default_factory=list)
    """The tokens that the bus was told of: each exchange has one."""
    _services: dict[str, Service] = field(default_factory=dict)
    _environments: list[Environment] = field(default_factory=list)

    @property
    def vntana(self) -> FakeVntana:
        """The fake of VNTANA, for tests that are about it."""
        fake = self.fakes["vntana"]
        assert isinstance(fake, FakeVntana)
        return fake

    @property
    def vendorlink(self) -> FakeVendorlink:
        """The fake of Vendorlink."""
        fake = self.fakes["vendorlink"]
        assert isinstance(fake, FakeVendorlink)
        return fake

    @property
    def editor(self) -> FakeEditor:
        """The fake of the editor's token service."""
        fake = self.fakes["editor"]
        assert isinstance(fake, FakeEditor)
        return fake

    def connect(self, flow: str, **changes: Any) -> str:
        """Create a connection of this test's own, and return its name."""
        connection = f"c-{uuid.uuid4().hex[:8]}"
        self.put_secret(flow, connection, self.secret(flow) | changes)
        return connection

    def connect_and_call(self, flow: str, **changes: Any) -> str:
        """Create a connection that has a token, in memory and in the table; return its name."""
        connection = self.connect(flow, **changes)
        self.call(flow, connection)
        return connection

    def secret(self, flow: str) -> dict[str, Any]:
        """Return a valid secret."""
        fake = self.fakes[flow]
        return dict(fake.demo_secret(fake.url))

    def put_secret(self, flow: str, connection: str, content: object) -> None:
        """Set the current version of a secret; the one before is its previous one."""
        secrets = client("secretsmanager")
        name = secret_name(flow, connection)
        text = content if isinstance(content, str) else json.dumps(content)
        try:
            secrets.create_secret(Name=name, SecretString=text)
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=name, SecretString=text)

    def service(self, flow: str) -> Service:
        """Return the function of *flow* in a warm process."""
        if flow not in self._services:
            self._services[flow] = self.cold(flow)
        return self._services[flow]

    def cold(self, flow: str) -> Service:
        """Return the function of *flow* in a process of its own, as after a cold start."""
        for handler in logging.getLogger("token-broker").handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.stream = sys.stdout  # this test's own, and not that of the first one
        self._environments.append(Environment(os.environ))
        service = self._environments[-1].service(FLOWS[flow])
        service.use(replace(service.deps, **self._replacements(service.deps)))
        return service

    def use(self, flow: str, **tools: Any) -> None:
        """Give the warm process of *flow* other tools in place of some of its own."""
        service = self.service(flow)
        service.use(replace(service.deps, **tools))

    def _replacements(self, tools: Dependencies) -> dict[str, Any]:
        clock = Clock(lambda: self.now, CLOCK.monotonic, CLOCK.sleep)

        def announce(what: str, detail: Mapping[str, Any]) -> bool:
            if what == "Token Replaced":
                self.replaced.append(detail)
            else:
                self.announced.append((what, detail))
            return tools.announce(what, detail)

        return {"clock": clock, "invoke": self.invoked.append, "announce": announce}

    @property
    def now(self) -> int:
        """The broker's time. It passes only as a test says, however long that takes to run."""
        return self.ahead + (CLOCK.now() if self.stands_at is None else self.stands_at)

    def close(self) -> None:
        """End every connection that is kept alive."""
        for environment in self._environments:
            environment.close()

    def call(self, flow: str, connection: str, **payload: Any) -> dict[str, Any]:
        """Invoke the function of *flow* directly, and return its answer."""
        event = {"connection": connection, **payload}
        answer: dict[str, Any] = self.service(flow)(
            event, LambdaContext(f"token-broker-{flow}", CALL_SECONDS)
        )
        return answer

    def carry_out(self, flow: str) -> list[Any]:
        """Perform the asynchronous invocations of the function of *flow*; return the responses."""
        payloads = self.invoked[:]
        self.invoked.clear()
        context = LambdaContext(f"token-broker-{flow}", CALL_SECONDS)
        return [self.service(flow)(payload, context) for payload in payloads]

    def http(self, flow: str, connection: str, body: object = None, **more: Any) -> dict[str, Any]:
        """Send the function of *flow* a proxy event, and return its response with its body read."""
        event = proxy_event(flow, connection, body, **more)
        response: dict[str, Any] = self.service(flow)(
            event, LambdaContext(f"token-broker-{flow}", CALL_SECONDS)
        )
        return response | {"body": json.loads(response["body"])}

    def advance(self, seconds: int) -> None:
        """Let time pass, here and at the vendors."""
        self.ahead += seconds
        for fake in self.fakes.values():
            fake.advance(seconds)

    def item(self, flow: str, connection: str, variant: str = "-") -> dict[str, Any]:
        """Return the raw attributes of an item."""
        key = {"connection": {"S": f"{flow}#{connection}"}, "variant": {"S": variant}}
        item: Any = client("dynamodb").get_item(TableName=TABLE, Key=key).get("Item", {})
        return dict(item)

    def steps(self, flow: str) -> list[str]:
        """Return the paths that the vendor of *flow* was asked for."""
        return [entry.path for entry in self.fakes[flow].log]

    def logins(self, flow: str) -> int:
        """Return how often the vendor of *flow* was sent the credentials, to be proven."""
        return self.fakes[flow].log.counts[proof(flow).step]

    def read_of(self, flow: str, connection: str, body: Mapping[str, Any] = {}) -> str:
        """Return the operation that reads all of a call that *body* this: the gate as well."""
        is_gate = requested_key(flow, body) == ONLY
        return (
            "GetItem" if is_gate and not self.is_alias(flow, connection, body) else "BatchGetItem"
        )

    def is_alias(self, flow: str, connection: str, body: Mapping[str, Any] = {}) -> bool:
        """Say whether what a call asks for that *body* this leads to another item."""
        return "target" in self.item(flow, connection, requested_key(flow, body))


def requested_key(flow: str, body: Mapping[str, Any]) -> str:
    """Return the key of what a call asks for that *body* this."""
    return FLOWS[flow].requested(Document(dict(body), InvalidRequest)).key


def proxy_event(
    flow: str,
    connection: str,
    body: object = None,
    *,
    method: str = "POST",
    rest: str = "/token",
) -> dict[str, Any]:
    """Return API Gateway's event for a request."""
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    resource = f"/v1/{flow}/{{connection}}{rest}"
    return {
        "resource": resource,
        "path": resource.replace("{connection}", connection),
        "httpMethod": method,
        "headers": {},
        "pathParameters": {"connection": connection},
        "requestContext": {"identity": {"userArn": CALLER}, "requestId": "r-1"},
        "body": text,
        "isBase64Encoded": False,
    }
