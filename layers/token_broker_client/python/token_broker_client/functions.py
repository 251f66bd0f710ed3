"""The way to the broker's functions themselves: each invoked directly, through boto3."""

import json
import math
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from token_broker_client.entrances import Order, problem
from token_broker_client.errors import AccessDenied, BrokerError, InvalidRequest, Unreachable

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_lambda import LambdaClient

FLOWS = ("vntana", "vendorlink", "editor")
CONNECT_SECONDS = 5
ONE_OF_THEM = re.compile(rf"(?<=-)({'|'.join(FLOWS)})(?=$|:)")
REGION = re.compile(r"arn:[^:]+:lambda:([a-z0-9-]+):")

DENIED = frozenset(
    {
        "AccessDenied",  # of STS, on the way to a role
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


class Functions(NamedTuple):
    """The broker's functions, as pairs of a flow and a name or ARN."""

    names: tuple[tuple[str, str], ...]
    session: "boto3.Session | None"
    patience: float

    def call(self, order: Order, seconds: float) -> dict[str, Any]:
        """Return what the function answers to *order*; how long it is waited for is settled."""
        del seconds  # boto3 takes it when a client is made
        name = dict(self.names).get(order.flow)
        if name is None:
            raise InvalidRequest(f"{order.flow}: no function was named for it")
        payload = dict(order.body) | {"connection": order.connection, "action": order.action}
        client = clients(os.getpid(), self.session, region(name), self.patience)
        try:
            response = client.invoke(FunctionName=name, Payload=json.dumps(payload).encode())
            return answered(json.load(response["Payload"]), "FunctionError" in response)
        except ClientError as error:
            raise refusal(error, name) from None
        except BotoCoreError as error:
            raise unsent(error, name) from None
        except ValueError:
            raise Unreachable(f"{name} answered no JSON") from None


@lru_cache(maxsize=16)
def clients(
    process: int,  # noqa: ARG001 (one that was forked must not use its parent's connections)
    session: "boto3.Session | None",
    region: str | None,
    patience: float,
) -> "LambdaClient":
    """Return a client that waits as long as *patience* lasts. Trying again is not its matter."""
    import boto3  # noqa: PLC0415 (slow, and every Lambda has it)

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=math.ceil(patience),
        retries={"total_max_attempts": 1},
    )
    maker = session or boto3.DEFAULT_SESSION or boto3.Session()
    return maker.client("lambda", region_name=region, config=config)


def names(functions: str | Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the name of each flow's function, by what was said of them."""
    if not isinstance(functions, str):
        return tuple(functions.items())
    pattern = ONE_OF_THEM.sub("{flow}", functions)
    if "{flow}" not in pattern:
        pattern = f"{functions.rstrip('-')}-{{flow}}"
    return tuple((flow, pattern.replace("{flow}", flow)) for flow in FLOWS)


def region(name: str) -> str | None:
    """Return the region in an ARN."""
    found = REGION.match(name)
    return found[1] if found else None


def answered(document: Any, has_failed: bool) -> dict[str, Any]:
    """Return the broker's answer, or raise the problem that is in it."""
    if not has_failed and isinstance(document, dict):
        return document
    raise problem(told(document)) or Unreachable(f"the function failed: {kind(document)}")


def told(document: Any) -> object:
    """Return the problem that a failed function tells of, if it is one of the broker's."""
    try:
        return json.loads(document["errorMessage"])
    except (KeyError, TypeError, ValueError):
        return None


def kind(document: Any) -> str:
    """Return the name of a failure of Lambda's, like ``Sandbox.Timedout``."""
    name = document.get("errorType") if isinstance(document, dict) else None
    return str(name or "no reason is given")[:100]


def refusal(error: ClientError, name: str) -> BrokerError:
    """Return what an error of the Lambda service means."""
    code = error.response.get("Error", {}).get("Code", "")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
    if code in DENIED:
        return AccessDenied(f"Lambda refused to invoke {name} ({code})")
    found = Unreachable(f"Lambda could not invoke {name} ({code})")
    found.status = status
    found.retryable = status == 429 or status >= 500  # noqa: PLR2004 (HTTP's)
    return found


def unsent(error: BotoCoreError, name: str) -> BrokerError:
    """Return what it means that there was no answer from Lambda."""
    what = type(error).__name__
    if "Credential" in what or "Token" in what or "SSO" in what:
        return AccessDenied(f"the AWS credentials cannot be had ({what})")
    return Unreachable(f"Lambda, to invoke {name}: {what}")
