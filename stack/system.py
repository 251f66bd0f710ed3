"""The deployed broker, as its callers use it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from stack.account import ROOT_USER, Account, Identity
from stack.deployment import Deployment
from stack.settings import NAME, REGION, STAGE
from token_broker_descriptors import every
from token_broker_fakes.fake import Fake

CALL_SECONDS = 120
"""The timeout in seconds: on a busy machine a function may start for minutes."""
BODIES: Mapping[str, Mapping[str, Any]] = {
    name: flow.demo for name, flow in every().items() if flow.demo
}
"""The request bodies of flows that need one."""


class Response(NamedTuple):
    """A response over HTTP."""

    status: int
    body: Mapping[str, Any]

    def __str__(self) -> str:
        result = self.body.get("source") or self.body.get("code")
        return f"{self.status} {result}" if result else str(self.status)


@dataclass
class System:
    """The stack, the vendors' fakes, and the ways to call it."""

    account: Account
    deployment: Deployment
    fakes: Mapping[str, Fake[Any]]
    outputs: dict[str, str] = field(default_factory=dict)

    def deploy(self, **parameters: str) -> None:
        """Deploy the stack, or update it."""
        self.outputs = self.deployment.deploy(**parameters)

    @property
    def api(self) -> str:
        """The API's id."""
        return (urlsplit(self.outputs["ApiUrl"]).hostname or "").partition(".")[0]

    def url(self, scheme: str = "https") -> str:
        """Return the API's URL; on AWS it is the output `ApiUrl`."""
        settings = self.account.settings
        base = settings.https_url if scheme == "https" else settings.http_url
        return f"{base}/_aws/execute-api/{self.api}/{STAGE}"

    def arn(self, name: str) -> str:
        """Return the ARN of a policy from the output *name*."""
        return self.outputs[f"{name}PolicyArn"]

    def function(self, flow: str, qualifier: str = "live") -> str:
        """Return the ARN of a flow's function, unqualified if *qualifier* is empty."""
        live = self.outputs[f"{flow.capitalize()}FunctionArn"]
        name = live.removesuffix(":live")
        return f"{name}:{qualifier}" if qualifier else name

    def role(self, flow: str) -> str:
        """Return the ARN of the role of a flow's function."""
        lambdas = self.account.client("lambda")
        name = f"{NAME}-{flow}"
        return str(lambdas.get_function_configuration(FunctionName=name)["Role"])

    def secret(self, flow: str) -> dict[str, Any]:
        """Return the content of a secret that the fake of a flow accepts."""
        fake = self.fakes[flow]
        return dict(type(fake).demo_secret(fake.url))

    def connect(self, flow: str, connection: str, **changes: Any) -> str:
        """Store the secret of a connection to a fake, with *changes*; return its name."""
        name = f"token-broker/{STAGE}/{flow}/{connection}"
        secrets = self.account.client("secretsmanager")
        text = json.dumps({**self.secret(flow), **changes})
        try:
            secrets.create_secret(Name=name, SecretString=text)
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=name, SecretString=text)
        return name

    def token(
        self, identity: Identity | None, flow: str, connection: str = "acme", **body: Any
    ) -> Response:
        """Request a token."""
        body = {**BODIES.get(flow, {}), **body}
        return self.call(identity, "POST", f"/v1/{flow}/{connection}/token", body=body)

    def call(
        self,
        identity: Identity | None,
        method: str,
        path: str,
        *,
        scheme: str = "https",
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Call the API as *identity*, unsigned if that is None."""
        content = json.dumps(body) if body else None
        url = self.url(scheme) + path
        request = AWSRequest(method, url, data=content, headers=dict(headers or {}))
        if identity:
            SigV4Auth(Credentials(*identity), "execute-api", REGION).add_auth(request)
        response = requests.request(
            method,
            url,
            data=content,
            headers=dict(request.headers),
            timeout=CALL_SECONDS,
            verify=str(self.account.settings.ca_file),
        )
        return Response(response.status_code, response.json())

    def invoke(
        self, flow: str, payload: Any, qualifier: str = "live", identity: Identity = ROOT_USER
    ) -> Mapping[str, Any]:
        """Invoke a flow's function directly; return Lambda's error object if it raises."""
        lambdas = self.account.client("lambda", identity)
        name = self.function(flow, qualifier)
        response = lambdas.invoke(FunctionName=name, Payload=json.dumps(payload))
        result: Mapping[str, Any] = json.load(response["Payload"])
        return result

    def direct(self, flow: str, connection: str = "acme", qualifier: str = "live") -> str:
        """Request a token by direct invocation; return its source, or the error."""
        body = {"connection": connection, **BODIES.get(flow, {})}
        result = self.invoke(flow, body, qualifier)
        return str(result.get("errorType") or result["source"])

    def requests(self, flow: str) -> int:
        """Return the number of requests that a vendor received."""
        return sum(self.fakes[flow].log.counts.values())

    def exchanges(self, flow: str) -> int:
        """Return the number of tokens that a vendor issued on request."""
        fake = self.fakes[flow]
        return sum(fake.log.counts[step] for step in fake.exchanges)
