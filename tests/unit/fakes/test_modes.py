"""Modes of a fake: a misspelt name or value is refused."""

from typing import Any

import pytest

from token_broker.exchange import Request
from token_broker_fakes import Account, EditorModes, FakeVntana, VendorlinkModes, VntanaModes
from token_broker_fakes.modes import ModeError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dead_tokens": "401"}, "there is no mode 'dead_tokens'; there are created, dead_token"),
        ({"dead_token": 401}, "mode dead_token is one of 403, 401, 403_bad_credentials; not 401"),
        ({"dead_token": "402"}, "mode dead_token is one of 403, 401, .*; not '402'"),
        ({"lifetime": "60"}, "mode lifetime is a whole number from 0 to 3153600000; not '60'"),
        ({"lifetime": -1}, "mode lifetime is a whole number from 0 to 3153600000; not -1"),
        ({"lifetime": True}, "mode lifetime is a whole number from 0 to 3153600000; not True"),
        ({"lifetime": 1.5}, "mode lifetime is a whole number from 0 to 3153600000; not 1.5"),
        (
            {"lifetime": 10**10},
            "mode lifetime is a whole number from 0 to 3153600000; not 10000000000",
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


def test_the_constructor_refuses_an_unknown_value() -> None:
    with pytest.raises(ModeError, match="mode elsewhere is one of leads, self, loop"):
        VendorlinkModes(elsewhere="nowhere")  # type: ignore[arg-type]  # that is the test


def test_update_is_all_or_nothing() -> None:
    modes = EditorModes()
    with pytest.raises(ModeError):
        modes.update({"extra": "fields", "auth": "forbidden"})
    assert modes.extra == "none"


def test_reset_restores_the_defaults() -> None:
    """`values` shows the current ones."""
    modes = EditorModes(extra="fields", lifetime=1)
    assert (modes.values()["extra"], modes.values()["lifetime"]) == ("fields", 1)
    modes.reset()
    assert modes.values() == EditorModes().values()


def test_the_description_lists_the_choices_of_a_mode() -> None:
    described = EditorModes().describe()
    assert described["extra"] == {"value": "none", "choices": ["none", "fields"]}
    assert described["lifetime"] == {"value": 3600, "choices": "a whole number"}


def test_modes_and_accounts_may_be_replaced_as_a_whole() -> None:
    fake = FakeVntana()
    key = fake.accounts[0].key
    fake.accounts = [Account(key="another")]
    fake.modes = VntanaModes(wrong_password="401")
    body = {"personal-access-token": key}
    assert (
        fake(Request("POST", f"{fake.home}/v1/auth/login/token", "login", json=body)).status == 401
    )
