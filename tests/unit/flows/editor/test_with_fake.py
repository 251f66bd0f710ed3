"""The editor's flow with a fake that enforces the token service's rules."""

from random import Random

import pytest

from tests.conversations import NOW, MiniBroker
from token_broker.exchange import run
from token_broker.flows.editor.flow import VENDOR, verify
from token_broker.tokens import Variant
from token_broker_fakes.editor import FakeEditor

PARAMETERS = {"userId": "1", "file": "ä.dwg", "isViewOnly": True, "nested": {"a": [None, 1.5]}}


@pytest.mark.parametrize(
    "modes",
    [
        {"verify_header": "x-api-token"},
        {"verify_header": "x-api-key"},
        {"success_type": "none"},
        {"extra": "fields"},
    ],
    ids=str,
)
def test_a_token_has_the_exact_parameters_until_it_expires(modes: dict[str, str]) -> None:
    fake = FakeEditor(clock=lambda: float(NOW), rng=Random(1))
    fake.modes.update({"header_case": "lower"} | modes)
    header = {"verify_header": fake.modes.verify_header}
    credentials = VENDOR.parse(fake.demo_secret("http://127.0.0.1:9") | {"options": header})
    variant = Variant("parameters", {"parameters": PARAMETERS})
    token = MiniBroker(VENDOR, credentials, fake).renew(variant)
    verified = run(verify(credentials, token.value), fake)
    assert verified is not None
    assert {name: verified[name] for name in PARAMETERS} == PARAMETERS
    fake.advance(token.expires_at - NOW)
    assert run(verify(credentials, token.value), fake) is None
