"""Calls of AWS in the caller's name: credentials and settings of boto3's chain, without boto3."""

import os
import re
import sys
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from token_broker_client import transport
from token_broker_client.deadline import Deadline
from token_broker_client.errors import AccessDenied, BrokerError, Unreachable
from token_broker_client.transport import Reply

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import ReadOnlyCredentials

SERVER_ERROR = 500

DENIED = re.compile(
    "AccessDenied|ExpiredToken|IncompleteSignature|InvalidClientTokenId|InvalidSignature"
    "|MissingAuthenticationToken|SignatureDoesNotMatch|UnrecognizedClient"
)
"""How the types of the errors begin that are about the caller, whatever their status."""

CALLER = re.compile(
    rb'"[Mm]essage" *: *'
    rb'"(?:User: arn:[a-z-]+:(?:iam|sts)::|Function not found: arn:[a-z-]+:lambda:[a-z0-9-]+:)'
    rb"([0-9]{12}):"
)
"""The part of AWS's refusal that has the caller's account. The rest is not shown."""

NETWORK = (AwsConnectionError, HTTPClientError)
"""What boto3's chain raises if it cannot reach AWS: another try may."""

UNREADABLE = (OSError, JSONDecodeError, UnicodeDecodeError)
"""What boto3's chain raises for a file or a program of the credentials that cannot be read."""


def credentials(session: "boto3.Session | None") -> "ReadOnlyCredentials":
    """Return the credentials of *session*, or of boto3's default."""
    frozen: ReadOnlyCredentials | None = read(
        session,
        lambda settings: (chain := settings.get_credentials()) and chain.get_frozen_credentials(),
    )
    if frozen is None:
        raise AccessDenied("there are no AWS credentials: boto3's chain found none")
    return frozen


def setting(session: "boto3.Session | None", name: str) -> str | None:
    """Return a setting of *session*, or of boto3's default, by botocore's name; None if unset."""
    return read(session, lambda settings: settings.get_config_variable(name)) or None


def read(session: "boto3.Session | None", reader: Callable[[Any], Any]) -> Any:
    """Return what *reader* reads from the session of botocore that has credentials and settings.

    It is below *session*, or below boto3's default; if none is set, it is a new one.
    """
    found: Any = session or getattr(sys.modules.get("boto3"), "DEFAULT_SESSION", None)
    try:
        return reader(getattr(found, "_session", found) or _botocore(os.getpid()))
    except (BotoCoreError, ClientError, *UNREADABLE) as error:
        answered = error.response if isinstance(error, ClientError) else {}  # of STS, for a role
        status = answered.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        kind = Unreachable if isinstance(error, NETWORK) or may_pass(status) else AccessDenied
        what = type(error).__name__
        raise kind(f"the AWS credentials or settings cannot be read ({what})") from None


def send(
    request: AWSRequest,
    session: "boto3.Session | None",
    service: str,
    region: str,
    deadline: Deadline,
) -> Reply:
    """Sign *request* to an AWS *service*, send it, and return the answer before *deadline*."""
    SigV4Auth(credentials(session), service, region).add_auth(request)
    return transport.send(request, deadline, setting(session, "ca_bundle"))


def refusal(who: str, reply: Reply, session: "boto3.Session | None", region: str) -> BrokerError:
    """Return the error for an answer of AWS itself, not of the broker. *who* of AWS answered.

    Its text is not shown: for a wrong signature, it repeats headers of the request. Only the
    account of the call is, which is in AWS's text or in the credentials.
    """
    kind = reply.headers.get("x-amzn-ErrorType", "").partition(":")[0]
    named, signer = f"{reply.status} {kind}".strip(), ""
    if reply.status >= HTTPStatus.BAD_REQUEST and not may_pass(reply.status):
        found = CALLER.search(reply.content)
        account = found[1].decode() if found else getattr(credentials(session), "account_id", None)
        signer = f": the call was signed for {region}" + (
            f" by account {account}" if account else ""
        )
    if reply.status == HTTPStatus.FORBIDDEN or DENIED.match(kind):
        return AccessDenied(f"{who} refused the call ({named}){signer}")
    error = Unreachable(f"{who} answered {named}, not the broker{signer}")
    error.status, error.retryable = reply.status, may_pass(reply.status)
    return error


def may_pass(status: int) -> bool:
    """Say whether another attempt may succeed after an error of AWS with *status*."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= SERVER_ERROR


@cache
def _botocore(process: int) -> Any:  # noqa: ARG001 (a forked process may have a held lock)
    from botocore.session import Session  # noqa: PLC0415 (slow, and not needed with a session)

    return Session()
