"""The caller's AWS credentials and settings, from boto3's chain, without loading boto3."""

import os
import re
import sys
from functools import lru_cache
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError

from token_broker_client.errors import AccessDenied
from token_broker_client.transport import Request

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import ReadOnlyCredentials


CALLER = re.compile(
    r"(?:User: arn:[a-z-]+:(?:iam|sts)::|Function not found: arn:[a-z-]+:lambda:[a-z0-9-]+:)"
    r"([0-9]{12}):"
)
"""The part of AWS's refusal that has the caller's account. The rest is not shown."""

UNREADABLE = (OSError, JSONDecodeError, UnicodeDecodeError)
"""What boto3's chain raises for a file or a program of the credentials that cannot be read."""


def credentials(session: "boto3.Session | None") -> "ReadOnlyCredentials":
    """Return the credentials of *session*, or of boto3's default."""
    try:
        found = (session or default()).get_credentials()
        if found is not None:
            frozen: ReadOnlyCredentials = found.get_frozen_credentials()
            return frozen
    except (BotoCoreError, ClientError, *UNREADABLE) as error:
        raise unobtained(error) from None
    raise AccessDenied("there are no AWS credentials: boto3's chain found none")


def unobtained(error: Exception) -> AccessDenied:
    """Return the error for credentials that cannot be obtained. Its text names no file."""
    return AccessDenied(f"the AWS credentials cannot be obtained ({type(error).__name__})")


def authorities(session: "boto3.Session | None") -> str | None:
    """Return the file of the certificate authorities for AWS's hosts; None for the usual ones.

    The variable ``AWS_CA_BUNDLE`` names it, or else ``ca_bundle`` of the profile in AWS's config:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html
    """
    return setting(session, "ca_bundle")


def setting(session: "boto3.Session | None", name: str) -> str | None:
    """Return a setting of *session*, or of boto3's default, by botocore's name; None if unset."""
    found: Any = session or default()
    try:
        # A session of boto3's reads its settings from one of botocore's.
        value: str | None = getattr(found, "_session", found).get_config_variable(name)
    except (BotoCoreError, *UNREADABLE) as error:
        what = type(error).__name__
        raise AccessDenied(f"the AWS settings cannot be read ({what})") from None
    return value or None


def signer(session: "boto3.Session | None", region: str, refusal: str | None) -> str:
    """Return a text with the region and the account of the call that AWS refused.

    No call is made for it: the account is in the *refusal*, or in the credentials.
    """
    named = CALLER.match(refusal or "")
    account = named[1] if named else getattr(credentials(session), "account_id", None)
    return f"the call was signed for {region}" + (f" by account {account}" if account else "")


def signed(request: Request, session: "boto3.Session | None", region: str) -> dict[str, str]:
    """Return the headers of a *request* to API Gateway, with its signature."""
    signing = AWSRequest(request.method, request.url, dict(request.headers), request.body)
    SigV4Auth(credentials(session), "execute-api", region).add_auth(signing)
    return dict(signing.headers.items())


def default() -> Any:
    """Return boto3's default session; if none is set, a session of botocore."""
    boto3 = sys.modules.get("boto3")
    return getattr(boto3, "DEFAULT_SESSION", None) or _botocore(os.getpid())


@lru_cache(maxsize=1)
def _botocore(process: int) -> Any:  # noqa: ARG001 (a forked process may have a held lock)
    from botocore.session import Session  # noqa: PLC0415 (slow, and not needed with a session)

    return Session()
