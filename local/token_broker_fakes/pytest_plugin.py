"""Fixtures for tests against the fakes. Loaded in every pytest run, so it imports late."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from token_broker_client import Broker
    from token_broker_fakes import FakeEditor, FakeVendorlink, FakeVntana
    from token_broker_fakes.aws import Secrets

CONNECTIONS = ("acme", "demo")
"""Names of the connections that each flow has."""


@pytest.fixture
def fake_vntana() -> "Iterator[FakeVntana]":
    """Serve a VNTANA of this test's own on a free port of loopback: see its ``url``."""
    from token_broker_fakes.vntana import FakeVntana  # noqa: PLC0415 (see the module)

    fake = FakeVntana()
    with fake.serve():
        yield fake


@pytest.fixture
def fake_vendorlink() -> "Iterator[FakeVendorlink]":
    """Serve a Vendorlink of this test's own on a free port of loopback: see its ``address``."""
    from token_broker_fakes.vendorlink import FakeVendorlink  # noqa: PLC0415 (see the module)

    fake = FakeVendorlink()
    with fake.serve():
        yield fake


@pytest.fixture
def fake_editor() -> "Iterator[FakeEditor]":
    """Serve a token service of this test's own on a free port of loopback: see its ``url``."""
    from token_broker_fakes.editor import FakeEditor  # noqa: PLC0415 (see the module)

    fake = FakeEditor()
    with fake.serve():
        yield fake


@pytest.fixture
def fake_secrets(
    fake_vntana: "FakeVntana", fake_vendorlink: "FakeVendorlink", fake_editor: "FakeEditor"
) -> "Secrets":
    """Have the secrets of `fake_broker`: ``fake_secrets["vntana", "acme"] = {…}`` sets one.

    Each flow has ``acme`` and ``demo``, which lead to this test's own fakes.
    """
    from token_broker_fakes.aws import Secrets  # noqa: PLC0415 (see the module)
    from token_broker_fakes.broker import PREFIX  # noqa: PLC0415 (see the module)

    secrets = Secrets(PREFIX)
    for name in CONNECTIONS:
        secrets["vntana", name] = fake_vntana.demo_secret(fake_vntana.url)
        secrets["vendorlink", name] = fake_vendorlink.demo_secret(fake_vendorlink.url)
        secrets["editor", name] = fake_editor.demo_secret(fake_editor.url)
    return secrets


@pytest.fixture
def fake_broker(fake_secrets: "Secrets", monkeypatch: pytest.MonkeyPatch) -> "Iterator[Broker]":
    """Run the broker over this test's own fakes, without AWS; return a client of it.

    Every other `Broker` leads there meanwhile, however it was made: ``from_url``, say.
    """
    from token_broker_client.cache import shared  # noqa: PLC0415 (see the module)
    from token_broker_fakes.broker import over  # noqa: PLC0415 (see the module)

    broker, handlers = over(fake_secrets, monkeypatch)
    yield broker
    handlers.close()
    shared().clear()
