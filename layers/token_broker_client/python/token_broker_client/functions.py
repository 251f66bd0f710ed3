"""The channel that invokes the broker's functions directly, through boto3."""

import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoRegionError
from botocore.exceptions import ConnectionError as AwsConnectionError

from token_broker_client import identity, transport
from token_broker_client.deadline import Deadline
from token_broker_client.errors import AccessDenied, BrokerError, InvalidRequest, Unreachable
from token_broker_client.gateway import OK, decoded, may_pass, texts
from token_broker_client.request import FLOWS, Command, problem
from token_broker_client.single_flight import ProcessState
from token_broker_client.transport import Request

if TYPE_CHECKING:
    import boto3
    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_lambda import LambdaClient

REGION = re.compile(r"arn:[^:]+:lambda:([a-z0-9-]+):")

DENIED = frozenset(
    {
        "AccessDenied",  # of STS, for a role
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

NETWORK = (AwsConnectionError, HTTPClientError)
"""Errors of boto3's own calls, for credentials, that another try may not meet."""

_deadline: ContextVar[Deadline] = ContextVar("deadline")
"""The deadline of this thread's invocation. boto3 cannot pass it to the transport."""


class Functions(NamedTuple):
    """The broker's functions, as pairs of a flow and a name or ARN."""

    names: tuple[tuple[str, str], ...]
    session: "boto3.Session | None"

    def call(self, command: Command, deadline: Deadline) -> dict[str, Any]:
        """Return the function's answer to *command*."""
        name = dict(self.names).get(command.flow)
        if name is None:
            raise InvalidRequest(f"{command.flow}: no function was named for it")
        fixed = {"connection": command.connection, "action": command.action}
        payload = json.dumps({**command.body, **fixed}).encode()
        _deadline.set(deadline)
        try:
            client = CLIENTS.get(self.session, region(name))
            response = client.invoke(FunctionName=name, Payload=payload)
            return answered(decoded(response["Payload"].read()), "FunctionError" in response)
        except ClientError as error:
            raise self.refusal(error, name, client.meta.region_name) from None
        except BotoCoreError as error:
            raise unsent(error, name) from None
        except identity.UNREADABLE as error:
            raise identity.unobtained(error) from None

    def refusal(self, error: ClientError, name: str, region: str) -> BrokerError:
        """Return the error for a refusal of Lambda, or of STS for a role."""
        details = error.response.get("Error", {})
        code = details.get("Code", "")
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        is_denied = code in DENIED
        signer = ""
        if error.operation_name == "Invoke" and (is_denied or not may_pass(status)):
            signer = f": {identity.signer(self.session, region, details.get('Message'))}"
        if is_denied:
            return AccessDenied(f"Lambda refused to invoke {name} ({code}){signer}")
        found = Unreachable(f"Lambda could not invoke {name} ({code}){signer}")
        found.status = status
        found.retryable = may_pass(status)
        return found


class Clients(ProcessState):
    """boto3's clients, made once each. Threads may share a client, but not make two at once."""

    def reset(self) -> None:
        """Drop all clients, as in a new process."""
        self._made: dict[Any, LambdaClient] = {}
        self._lock = Lock()

    def get(self, session: "boto3.Session | None", region: str | None) -> "LambdaClient":
        """Return a client that sends each request once, before the deadline."""
        boto3 = sys.modules.get("boto3")
        session = session or getattr(boto3, "DEFAULT_SESSION", None)
        with self._lock:
            if (session, region) not in self._made:
                self._made[session, region] = made(session, region)
            return self._made[session, region]


CLIENTS = Clients()


def made(session: "boto3.Session | None", region: str | None) -> "LambdaClient":
    """Return a client of boto3 that sends through `transport`."""
    import boto3  # noqa: PLC0415 (slow; every Lambda has it)

    config = Config(retries={"total_max_attempts": 1})
    try:
        client = (session or boto3.Session()).client("lambda", region_name=region, config=config)
    except identity.UNREADABLE:  # some are a ValueError as well
        raise
    except ValueError:
        raise InvalidRequest("boto3's settings: its endpoint is no address") from None
    send = partial(sent, identity.authorities(session))
    client.meta.events.register("before-send.lambda", send)  # type: ignore[arg-type]  # it may return a response
    return client


def sent(authorities: str | None, request: "AWSPreparedRequest", **_: object) -> AWSResponse:
    """Send a request that boto3 made and signed, and return the answer before the deadline."""
    headers = {
        name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    body: Any = request.body or b""  # bytes, because the payload is bytes
    outgoing = Request(str(request.method), str(request.url), headers, body)
    reply = transport.send("Lambda", outgoing, _deadline.get(), authorities)
    # Of an error, only texts, and the length of what was read: for anything else in these places
    # botocore raises errors that are not its own.
    is_answer = reply.status == OK
    content = reply.content if is_answer else json.dumps(texts(decoded(reply.content))).encode()
    received: Any = {**reply.headers, "content-length": str(len(content))}
    return AWSResponse(outgoing.url, reply.status, received, Whole(content))


class Whole(io.BytesIO):
    """A whole answer, in the form that botocore reads."""

    def stream(self) -> Iterator[bytes]:
        """Yield the rest."""
        yield self.read()


def names(functions: str | Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the name of each flow's function, from the argument *functions* of `Broker`.

    Only ``{flow}`` is replaced, because an alias or a stage may have the name of a flow.
    """
    if not isinstance(functions, str):
        return tuple(functions.items())
    if "{flow}" not in functions:
        is_one = functions.endswith(tuple(f"-{flow}" for flow in FLOWS))
        if is_one or ":" in functions.rpartition(":function:")[2]:
            raise InvalidRequest("functions: put {flow} where the names have the flow")
        functions = f"{functions.rstrip('-')}-{{flow}}"
    return tuple((flow, functions.replace("{flow}", flow)) for flow in FLOWS)


def region(name: str) -> str | None:
    """Return the region in an ARN; None for a plain name."""
    found = REGION.match(name)
    return found[1] if found else None


def answered(document: Any, has_failed: bool) -> dict[str, Any]:
    """Return the broker's answer. Raise its problem, which is in the error of a function.

    Lambda's own failures have no problem. They have a name, like ``Sandbox.Timedout``.
    """
    if not has_failed and isinstance(document, dict):
        return document
    error = document if isinstance(document, dict) else {}
    kind = str(error.get("errorType") or "no reason is given")[:100]
    raise problem(decoded(str(error.get("errorMessage")))) or Unreachable(
        f"the function failed: {kind}"
    )


def unsent(error: BotoCoreError, name: str) -> BrokerError:
    """Return the error for a call without an answer of Lambda."""
    what = type(error).__name__
    if any(word in what for word in ("Credential", "Login", "Profile", "SSO", "Token")):
        return identity.unobtained(error)
    if isinstance(error, NoRegionError):
        return InvalidRequest("no region: name the function by its ARN, or set AWS_DEFAULT_REGION")
    found = Unreachable(f"Lambda, to invoke {name}: {what}")
    found.retryable = isinstance(error, NETWORK)
    return found
