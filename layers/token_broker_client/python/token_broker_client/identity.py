"""Who calls: the credentials and the region of boto3's chain, without loading boto3 for them."""

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from token_broker_client.errors import AccessDenied

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
    found: Any = session or default()
    is_boto3 = hasattr(found, "region_name")
    named = found.region_name if is_boto3 else found.get_config_variable("region")
    return named if isinstance(named, str) else None


def default() -> Any:
    """Return boto3's default session if somebody set one, else what it would be made of."""
    boto3 = sys.modules.get("boto3")
    return getattr(boto3, "DEFAULT_SESSION", None) or _botocore()


@cache
def _botocore() -> Any:
    from botocore.session import Session  # noqa: PLC0415 (slow, and not needed where one is given)

    return Session()
