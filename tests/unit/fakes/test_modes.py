"""Modes of a fake: a misspelt name or value is refused."""

from typing import Any

import pytest

from token_broker.exchange import Request
from token_broker_fakes import Account, EditorModes, FakeVntana, VendorlinkModes, VntanaModes
from token_broker_fakes.clock import FURTHEST_SECONDS
from token_broker_fakes.modes import ModeError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dead_tokens": "401"}, "there is no mode 'dead_tokens'; there are created, dead_token"),
        ({"dead_token": 401}, "mode dead_token is one of 403, 401, 403_bad_credentials; not 401"),
        ({"dead_token": "402"}, "mode dead_token is one of 403, 401, .*; not '402'"),
        *(
            ({"lifetime": value}, f"lifetime is a whole number from 0 to {FURTHEST_SECONDS}")
            for value in ("60", -1, True, 1.5, FURTHEST_SECONDS + 1)
        ),
    ],
)
def test_unknown_modes_and_values_are_refused(values: dict[str, Any], message: str) -> None:
    """By `update` and by assignment, with the valid ones in the message."""
    modes = VntanaModes()
    with pytest.raises(ModeError, match=message):
        modes.update(values)
    with pytest.raises(ModeError, match=message):
        setattr(modes, *next(iter(values.items())))


def test_update_is_all_or_nothing() -> None:
    """The constructor refuses an unknown value, too."""
    modes = EditorModes()
    with pytest.raises(ModeError):
        modes.update({"extra": "fields", "auth": "forbidden"})
    assert modes.extra == "none"
    with pytest.raises(ModeError, match="mode elsewhere is one of leads, self, loop"):
        VendorlinkModes(elsewhere="nowhere")  # type: ignore[arg-type]  # that is the test


def test_reset_restores_the_defaults() -> None:
    """The description lists the current value of a mode, and its choices."""
    modes = EditorModes(extra="fields", lifetime=1)
    described = modes.describe()
    assert described["extra"] == {"value": "fields", "choices": ["none", "fields"]}
    assert described["lifetime"] == {"value": 1, "choices": "a whole number"}
    modes.reset()
    assert modes.values() == EditorModes().values()


def test_modes_and_accounts_may_be_replaced_as_a_whole() -> None:
    fake = FakeVntana()
    body = {"personal-access-token": fake.accounts[0].key}
    fake.accounts = [Account(key="another")]
    fake.modes = VntanaModes(wrong_password="401")
    request = Request("POST", f"{fake.home}/v1/auth/login/token", "login", json=body)
    assert fake(request).status == 401
