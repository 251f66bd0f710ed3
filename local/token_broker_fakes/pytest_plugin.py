"""Fixtures for tests with the fakes. Loaded in every pytest run, so it imports lazily."""

from typing import TYPE_CHECKING, Any

import pytest

from token_broker_fakes import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from token_broker_client import Broker
    from token_broker_fakes.aws import Secrets
    from token_broker_fakes.fake import Fake

CONNECTIONS = ("acme", "demo")
"""Names of the connections that each flow has."""


def fixture_of(name: str) -> Any:
    """Return the fixture that serves a fake of the flow called *name*."""

    def serve() -> "Iterator[Fake[Any]]":
        fake = registry.new(name)
        with fake.serve():
            yield fake

    serve.__doc__ = (
        f"Serve a fake of {name} of this test's own on a free port of loopback: see its ``url``."
    )
    return pytest.fixture(serve, name=f"fake_{name}")


globals().update({f"fake_{name}": fixture_of(name) for name in registry.names()})


@pytest.fixture
def fake_vendors(request: pytest.FixtureRequest) -> "Mapping[str, Fake[Any]]":
    """Serve a fake of each flow for this test; return them by the flow's name."""
    return {name: request.getfixturevalue(f"fake_{name}") for name in registry.names()}


@pytest.fixture
def fake_secrets(fake_vendors: "Mapping[str, Fake[Any]]") -> "Secrets":
    """Return the secrets of `fake_broker`: ``fake_secrets["vntana", "acme"] = {…}`` sets one.

    Each flow has the connections ``acme`` and ``demo``, to the fakes of this test.
    """
    from token_broker_fakes.aws import Secrets  # noqa: PLC0415 (see the module)
    from token_broker_fakes.broker import PREFIX  # noqa: PLC0415 (see the module)

    secrets = Secrets(PREFIX)
    for flow, fake in fake_vendors.items():
        for name in CONNECTIONS:
            secrets[flow, name] = fake.demo_secret(fake.url)
    return secrets


@pytest.fixture
def fake_broker(fake_secrets: "Secrets", monkeypatch: pytest.MonkeyPatch) -> "Iterator[Broker]":
    """Run the broker with the fakes of this test, without AWS; return a client of it.

    During the test, every other `Broker`, for example by ``from_url``, calls it, too.
    """
    from token_broker_client.cache import SHARED  # noqa: PLC0415 (see the module)
    from token_broker_fakes.broker import over  # noqa: PLC0415 (see the module)

    broker, handlers = over(fake_secrets, monkeypatch)
    yield broker
    handlers.close()
    SHARED.clear()
