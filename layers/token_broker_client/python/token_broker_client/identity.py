"""Who calls: the credentials and the region of boto3's chain, without loading boto3 for them."""

import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError

from token_broker_client.errors import AccessDenied
from token_broker_client.transport import Request

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import ReadOnlyCredentials


def credentials(session: "boto3.Session | None") -> "ReadOnlyCredentials":
    """Return the credentials of *session*, or of boto3's default."""
    try:
        found = (session or default()).get_credentials()
        if found is not None:
            frozen: ReadOnlyCredentials = found.get_frozen_credentials()
            return frozen
    except (BotoCoreError, ClientError) as error:
        raise AccessDenied(f"the AWS credentials cannot be had ({type(error).__name__})") from None
    raise AccessDenied("there are no AWS credentials: boto3's chain found none")


def region(session: "boto3.Session | None") -> str | None:
    """Return the region of *session*, or of boto3's default."""
    try:
        found: Any = session or default()
        is_boto3 = hasattr(found, "region_name")
        named = found.region_name if is_boto3 else found.get_config_variable("region")
    except BotoCoreError as error:
        what = type(error).__name__
        raise AccessDenied(f"the AWS settings cannot be read ({what})") from None
    return named if isinstance(named, str) else None


def signed(request: Request, session: "boto3.Session | None", region: str) -> dict[str, str]:
    """Return the headers of a *request* to API Gateway, with those that sign it."""
    signing = AWSRequest(request.method, request.url, dict(request.headers), request.body)
    SigV4Auth(credentials(session), "execute-api", region).add_auth(signing)
    return dict(signing.headers.items())


def default() -> Any:
    """Return boto3's default session if one is set, else what it would be made of."""
    boto3 = sys.modules.get("boto3")
    return getattr(boto3, "DEFAULT_SESSION", None) or _botocore(os.getpid())


@lru_cache(maxsize=1)
def _botocore(process: int) -> Any:  # noqa: ARG001 (in a forked one, a lock may be held for ever)
    from botocore.session import Session  # noqa: PLC0415 (slow, and not needed where one is given)

    return Session()
