"""The environment variables of the functions in the local system."""

import os
from collections.abc import Mapping, MutableMapping

from token_broker_local.addresses import (
    ACCESS_KEY,
    EVENT_BUS,
    HOST,
    KEY_ALIAS,
    REGION,
    SECRET_KEY,
    STAGE,
    TABLE,
    Addresses,
)


def settings(addresses: Addresses) -> Mapping[str, str]:
    """Return the functions' variables as in the template, with every AWS service at *addresses*."""
    return {
        "TABLE_NAME": TABLE,
        "KEY_ID": KEY_ALIAS,
        "STAGE": STAGE,
        "EVENT_BUS_NAME": EVENT_BUS,
        "POWERTOOLS_SERVICE_NAME": "token-broker",
        "POWERTOOLS_METRICS_NAMESPACE": "TokenBroker",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": addresses.url("services"),
        "AWS_ENDPOINT_URL_LAMBDA": addresses.url("gateway"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": HOST,
        "no_proxy": HOST,
    }


def enter(addresses: Addresses, environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables in *environment*, and remove all other variables of AWS.

    The user may be logged in to a real account, which must not be used.
    """
    for name in [name for name in environment if name.startswith("AWS_")]:
        del environment[name]
    environment.setdefault("POWERTOOLS_LOG_LEVEL", "INFO")
    environment.update(settings(addresses))
