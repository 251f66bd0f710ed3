"""The local system, as the tests of the client use it."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain, count, repeat
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import boto3
import pytest

from tests.waiting import PATIENCE_SECONDS
from token_broker_client import Broker, BrokerError
from token_broker_client.deadline import Patience
from token_broker_local.addresses import ACCESS_KEY, REGION, SECRET_KEY, Addresses, secret_name

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Entrance: TypeAlias = Literal["url", "function"]
Handler: TypeAlias = Callable[[Any, Any], Any]
Serve: TypeAlias = Callable[[Handler], str]
MakeBroker: TypeAlias = Callable[..., Broker]

numbers = count(1)


@contextmanager
def refused(kind: type[BrokerError], detail: str) -> Iterator[pytest.ExceptionInfo[BrokerError]]:
    """Expect an error of exactly this class and this text."""
    with pytest.raises(BrokerError) as caught:
        yield caught
    assert (type(caught.value), caught.value.detail) == (kind, detail)


def tries(number: int) -> Patience:
    """Return a patience of *number* attempts, without a limit of time."""
    dice = chain(repeat(0.0, number - 1), repeat(math.inf))
    return Patience(PATIENCE_SECONDS, random=dice.__next__)


@dataclass(frozen=True, slots=True)
class System:
    """A running system; each test has its own connections, to its own fakes."""

    addresses: Addresses

    @property
    def url(self) -> str:
        """Where the API is, and Lambda."""
        return self.addresses.url("gateway")

    def connect(self, flow: str, document: Mapping[str, Any], name: str = "") -> str:
        """Store *document* as the secret of a connection; return its name."""
        name = name or f"test-{next(numbers)}"
        self.secrets.create_secret(Name=secret_name(flow, name), SecretString=json.dumps(document))
        return name

    @property
    def secrets(self) -> "SecretsManagerClient":
        """Secrets Manager."""
        return client(self.addresses.url("services"))


@cache
def client(url: str) -> "SecretsManagerClient":
    """Return a client of Secrets Manager; it is cached, because making one takes a while."""
    session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
    return session.client("secretsmanager", endpoint_url=url)
