"""The contract, through both entrances of the whole system: equal answers.

Which error is which class, test_errors.py says; when the broker raises it, tests/functions.
"""

from collections.abc import Iterator

import boto3
import pytest

from tests.client.systems import MakeBroker, System, tries
from token_broker_client import Broker
from token_broker_client.cache import Cache
from token_broker_fakes import FakeEditor, FakeVntana

UNKNOWN = "0" * 16


@pytest.fixture
def broker(system: System, make_broker: MakeBroker) -> Broker:
    """The system's broker: one attempt a call, and no cache in this process."""
    return Broker(make_broker(system.url)._channel, tries(1), Cache(entries=0))


@pytest.fixture
def vntana(system: System, fake_vntana: FakeVntana) -> str:
    return system.connect("vntana", FakeVntana.demo_secret(fake_vntana.url))


@pytest.fixture
def editor(system: System, fake_editor: FakeEditor) -> str:
    return system.connect("editor", FakeEditor.demo_secret(fake_editor.url))


def test_a_token_of_the_editor_can_be_verified(broker: Broker, editor: str) -> None:
    """Its parameters keep their JSON types."""
    parameters = {"userId": "42", "file": "a.dwg", "isViewOnly": True, "n": 1}
    answer = broker.editor(editor, parameters=parameters)
    token = answer.headers["x-api-token"]
    assert answer.url is not None
    assert token in answer.url
    assert token not in answer.base_url
    verified = broker.verify(editor, token)
    assert verified is not None
    assert parameters.items() <= verified.items()
    assert broker.verify(editor, "another") is None


def test_api_and_function_return_equal_answers(
    system: System, vntana: str, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a token and of the status."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", system.url)
    ways = [
        Broker.from_url(system.url, session=session),
        Broker.from_function("token-broker", session=session),
    ]
    one, other = (broker.vntana(vntana) for broker in ways)
    assert one == other
    states = [broker.status("vntana", vntana) for broker in ways]
    assert states[0] == states[1]
    assert one.fingerprint in str(states[0])


def test_status_shows_a_token_and_forget_removes_it(broker: Broker, vntana: str) -> None:
    """A report replaces only the current token."""
    first = broker.vntana(vntana)
    assert first.fingerprint in str(broker.status("vntana", vntana))
    assert broker.forget("vntana", vntana) >= 1
    assert broker.vntana(vntana).generation == 2
    for fingerprint in (first.fingerprint, UNKNOWN):
        assert broker.vntana(vntana, rejected=fingerprint).generation == 2


@pytest.fixture(autouse=True)
def _only_known_requests(fake_vntana: FakeVntana) -> Iterator[None]:
    """The vendor gets no unknown and no invalid request."""
    yield
    assert fake_vntana.log.unknown == fake_vntana.log.breaches == []
