"""Vendorlink's flow with a fake that enforces Vendorlink's rules."""

from random import Random

import pytest

from tests.conversations import NOW, MiniBroker
from token_broker.flows.vendorlink.flow import VENDOR
from token_broker.tokens import Variant
from token_broker_fakes.vendorlink import FakeVendorlink

LOGIN = Variant("login")


@pytest.mark.parametrize(
    "modes",
    [
        {},
        {"extend_key": "rToken"},
        {"extend_key": "RenewalToken"},
        {"extend_renewal": "null"},
        {"extend_renewal": "absent"},
        {"hostname": "absent"},
        {"access_token": "wrapped"},
        {"access_token": "no_exp"},
        {"extend_content_type": "utf-8"},
    ],
    ids=str,
)
def test_a_login_is_extended_repeatedly(modes: dict[str, str]) -> None:
    """In each mode that needs no option of the secret."""
    fake = FakeVendorlink(clock=lambda: float(NOW), rng=Random(1))
    fake.modes.update(modes)
    broker = MiniBroker(VENDOR, VENDOR.parse(fake.demo_secret("app.vendorlink.nl")), fake)
    for _ in range(4):
        assert broker.renew(LOGIN).expires_at == broker.now + 3600
        fake.advance(3600 + 60)
        broker.now += 3600 + 60
    assert fake.log.steps == ["login", "extend", "extend", "extend"]
    assert (fake.reused, fake.log.unknown, fake.log.breaches) == ([], [], [])
