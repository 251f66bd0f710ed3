"""One local system for all tests here; each uses connections of its own."""

import signal
from collections.abc import Iterator
from functools import cache

import pytest
from typer.main import get_command

from tests.cli.accounts import Visitor
from tests.cli.fake_account import Account, serving
from tests.cli.operators import Operator
from tests.systems import system
from token_broker_local.addresses import Addresses


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Hear of Ctrl-C, as a shell's foreground does: what runs behind it inherits deafness."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    """Make the command of its functions once: that takes as long as it takes to run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(scope="session")
def places() -> Iterator[Addresses]:
    with system() as found:
        yield found


@pytest.fixture
def operator(places: Addresses, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Return an operator whose shell knows nothing of any broker."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("TOKEN_BROKER_URL", "TOKEN_BROKER_STAGE", "AWS_PROFILE", "PORT", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return Operator(places)


@pytest.fixture
def account() -> Iterator[Account]:
    """Return an account of stage ``test`` with one connection."""
    with serving(Account()) as made:
        made.add("vendorlink/acme")
        yield made


@pytest.fixture
def visitor(account: Account) -> Visitor:
    return Visitor(account)
