"""Fixtures for whoever tests against the fakes. Loaded in every pytest run, so it imports late."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from token_broker_fakes import FakeEditor, FakeVendorlink, FakeVntana


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
