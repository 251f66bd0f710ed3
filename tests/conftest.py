"""The broker over moto's AWS and the vendors' fakes, for whichever tests want it all.

AWS is one server for all tests of a process: moto keeps what it holds in one place anyway.

Properties are tried with the same examples at each run, and without a stop-watch.
``pytest --hypothesis-profile=explore`` looks for new examples, and for many more.
"""

import gc
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import HealthCheck, settings

from tests.sharing import share_models
from tests.waiting import wait_for_aws
from token_broker.transport import sockets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

    from tests.functions.world import Counted, World
    from token_broker_fakes.fake import Fake

# A machine that is busy is no defect of what is tested.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", patient, derandomize=True)
settings.register_profile("explore", patient, max_examples=5_000)
settings.load_profile("repeatable")

SLOW_SECONDS = 900
"""After which a test that is marked as slow is ended; any other has what `pyproject.toml` says."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give what takes long more time; where there are several workers, each begins with a share."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))
    if workers := getattr(config, "workerinput", {}).get("workercount"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        quick = [item for item in items if not item.get_closest_marker("slow")]
        # xdist gives each worker one run of neighbours, which share what is made for a module.
        cuts = [len(quick) * number // workers for number in range(workers + 1)]
        items[:] = [
            item
            for number in range(workers)
            for item in (*slow[number::workers], *quick[cuts[number] : cuts[number + 1]])
        ]


def pytest_collection_finish() -> None:
    """Look for garbage more seldom, and never in what was imported: that takes a twentieth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="session", autouse=True)
def _patience() -> "Iterator[None]":
    """Wait for AWS as long as a busy machine takes; read what never changes once for all."""
    with pytest.MonkeyPatch.context() as patch:
        wait_for_aws(patch.setattr)
        share_models(patch.setattr)
        patch.setattr("token_broker.transport.client.tls", cache(sockets.tls))
        yield


@pytest.fixture(scope="session")
def aws() -> "Iterator[tuple[Counted, str]]":
    """Serve AWS on a free port of loopback."""
    from werkzeug.serving import make_server  # noqa: PLC0415 (slow; few tests want it)

    from tests.functions.world import Counted  # noqa: PLC0415 (see above)
    from token_broker_local.addresses import HOST  # noqa: PLC0415 (see above)
    from token_broker_local.services import Atomic, Dispatcher, Quiet  # noqa: PLC0415 (see above)

    counted = Counted(Dispatcher())
    with make_server(HOST, 0, Atomic(counted), threaded=True, request_handler=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        url = f"http://{HOST}:{server.server_port}"
        yield counted, url
        server.shutdown()
        thread.join()


@pytest.fixture
def world(
    aws: "tuple[Counted, str]",
    monkeypatch: pytest.MonkeyPatch,
    fake_vendors: "Mapping[str, Fake[Any]]",
) -> "Iterator[World]":
    """Return the broker with vendors of this test's own."""
    from tests.functions.world import World  # noqa: PLC0415 (see above)
    from token_broker_local import environment  # noqa: PLC0415 (see above)
    from token_broker_local.addresses import Addresses  # noqa: PLC0415 (see above)

    counted, url = aws
    provide(url)
    variables: dict[str, str] = {}
    environment.enter(Addresses(), variables)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.delenv("AWS_ENDPOINT_URL_LAMBDA")
    world = World(counted, fake_vendors)
    counted.calls.clear()
    counted.broken.clear()
    yield world
    world.close()
    counted.broken.clear()


def provide(url: str) -> None:
    """Have the broker's table, empty, and its key.

    A test that mocks AWS in this process takes everything away that moto holds. And what reads the
    whole table would take longer with each test before it.
    """
    from moto.dynamodb.models import dynamodb_backends  # noqa: PLC0415 (see above)

    from token_broker_local import provisions  # noqa: PLC0415 (see above)
    from token_broker_local.addresses import ACCOUNT, REGION, TABLE  # noqa: PLC0415 (see above)

    tables = dynamodb_backends[ACCOUNT][REGION].tables
    if TABLE in tables:
        tables[TABLE].items.clear()
        return
    dynamodb, kms = keepers(url)
    provisions.create_table(dynamodb)
    provisions.create_key(kms)


@cache
def keepers(url: str) -> "tuple[DynamoDBClient, KMSClient]":
    """Return clients of the table and of the key: to make them takes longer than a test."""
    session = boto3.session.Session("local", "local", region_name="eu-west-1")
    return session.client("dynamodb", endpoint_url=url), session.client("kms", endpoint_url=url)
