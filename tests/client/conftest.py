"""Fixtures for the two entrances to a broker, API and functions, on this machine."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import boto3
import pytest

from tests import systems
from tests.client.systems import Entrance, Handler, MakeBroker, Serve, System
from tests.servers import Server, sends
from tests.waiting import PATIENCE_SECONDS
from token_broker_client import Broker, identity
from token_broker_client.cache import Cache
from token_broker_client.deadline import Patience
from token_broker_local.addresses import ACCESS_KEY, FLOWS, REGION, SECRET_KEY, function_name
from token_broker_local.functions import Function
from token_broker_local.gateway import Gateway
from token_broker_local.serving import serving

PATIENT = Patience(PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """Return a session with the credentials of the local system."""
    return boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Take all settings of AWS away, and return what sets those of a test."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "REQUESTS_CA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    identity._botocore.cache_clear()
    yield monkeypatch
    identity._botocore.cache_clear()


@pytest.fixture(params=["url", "function"])
def entrance(request: pytest.FixtureRequest) -> Entrance:
    """Name one entrance, then the other."""
    name: Entrance = request.param
    return name


@pytest.fixture
def make_broker(
    entrance: Entrance, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> MakeBroker:
    """Return a function that makes a broker at a URL, with a cache of its own."""

    def made(url: str, patience: Patience = PATIENT) -> Broker:
        if entrance == "url":
            found = Broker.from_url(url, session=session)
        else:
            monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
            found = Broker.from_function("token-broker", session=session)
        return Broker(found._channel, patience, Cache())

    return made


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves a handler as all three functions and returns the URL."""
    with ExitStack() as stack:

        def served(handler: Handler) -> str:
            functions = {
                flow: Function(function_name(flow), handler, PATIENCE_SECONDS) for flow in FLOWS
            }
            return f"http://127.0.0.1:{stack.enter_context(serving(Gateway(functions), 0))}"

        yield served


@pytest.fixture
def server() -> Iterator[Server]:
    """A raw server that sends nothing until a test sets its behaviour."""
    served = Server(sends())
    yield served
    served.close()


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Run the whole system, as `make run` does, for all tests that use it."""
    with systems.system() as addresses:
        yield System(addresses)
