"""The broker's functions over moto's AWS and the vendors' fakes."""

import threading
from collections.abc import Iterator

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.functions.world import Counted, World
from token_broker_fakes import FakeEditor, FakeVendorlink, FakeVntana
from token_broker_local import environment, provisions
from token_broker_local.atomic import Atomic
from token_broker_local.places import HOST, Places
from token_broker_local.services import Quiet


@pytest.fixture(scope="session")
def aws() -> Iterator[tuple[Counted, str]]:
    """Serve AWS on a free port of loopback, for all tests of this process."""
    counted = Counted(DomainDispatcherApplication(create_backend_app))
    with make_server(HOST, 0, Atomic(counted), threaded=True, request_handler=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield counted, f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def provided(aws: tuple[Counted, str]) -> tuple[Counted, str]:
    """Create the table and the key, once."""
    session = boto3.session.Session("local", "local", region_name="eu-west-1")
    provisions.create_table(session.client("dynamodb", endpoint_url=aws[1]))
    provisions.create_key(session.client("kms", endpoint_url=aws[1]))
    return aws


@pytest.fixture
def world(
    provided: tuple[Counted, str],
    monkeypatch: pytest.MonkeyPatch,
    fake_vntana: FakeVntana,
    fake_vendorlink: FakeVendorlink,
    fake_editor: FakeEditor,
) -> Iterator[World]:
    """Return the broker with vendors of this test's own."""
    counted, url = provided
    variables: dict[str, str] = {}
    environment.enter(Places(), variables)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.delenv("AWS_ENDPOINT_URL_LAMBDA")
    world = World(counted, fake_vntana, fake_vendorlink, fake_editor)
    counted.asked.clear()
    counted.broken.clear()
    yield world
    counted.broken.clear()
