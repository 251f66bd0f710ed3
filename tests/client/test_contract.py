"""The contract, through both entrances of the whole system: equal answers.

Which error is which class, test_errors.py says; when the broker raises it, tests/functions.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import boto3
import pytest

from tests.client.systems import MakeBroker, System
from tests.waiting import PATIENCE_SECONDS
from token_broker_client import Answer, Broker, TooManyRequests
from token_broker_client.cache import Cache
from token_broker_client.deadline import Deadline, Patience
from token_broker_fakes import FakeEditor, FakeVendorlink, FakeVntana

UNKNOWN = "0" * 16

T = TypeVar("T")


class SingleAttempt(Patience):
    """Makes one attempt, so that each failure is seen."""

    def retry(self, call: Callable[[Deadline], T], deadline: Deadline) -> T:
        """Return what *call* does."""
        return call(deadline)


@pytest.fixture
def broker(system: System, make_broker: MakeBroker) -> Broker:
    """The system's broker, without a cache in this process."""
    made = make_broker(system.url)
    return Broker(made._channel, SingleAttempt(PATIENCE_SECONDS), Cache(entries=0))


@pytest.fixture
def vntana(system: System, fake_vntana: FakeVntana) -> str:
    return system.connect("vntana", FakeVntana.demo_secret(fake_vntana.url))


@pytest.fixture
def vendorlink(system: System, fake_vendorlink: FakeVendorlink) -> str:
    return system.connect("vendorlink", FakeVendorlink.demo_secret(fake_vendorlink.url))


@pytest.fixture
def editor(system: System, fake_editor: FakeEditor) -> str:
    return system.connect("editor", FakeEditor.demo_secret(fake_editor.url))


def test_a_vntana_token_has_a_session_at_the_vendor(
    broker: Broker, vntana: str, fake_vntana: FakeVntana
) -> None:
    answer = broker.vntana(vntana)
    assert (answer.flow, answer.connection, answer.generation) == ("vntana", vntana, 1)
    assert answer.base_url == fake_vntana.url
    assert answer.expires_at > answer.refresh_after > datetime.now(UTC)
    assert answer.context["role"] == "ORGANIZATION_ADMIN"
    assert fake_vntana.session(answer.headers["X-AUTH-TOKEN"].removeprefix("Bearer "))
    assert (answer.source, answer.stale, answer.url) == ("exchange", False, None)


def test_each_workspace_of_vntana_has_its_own_token(broker: Broker, vntana: str) -> None:
    """Workspaces are named by slug."""
    chairs = broker.vntana(vntana, organization="studio", workspace="chairs")
    tables = broker.vntana(vntana, organization="studio", workspace="tables")
    assert chairs.fingerprint != tables.fingerprint
    assert chairs.context["workspace"] != tables.context["workspace"]


def test_an_answer_of_vendorlink_has_header_base_url_and_user(
    broker: Broker, vendorlink: str, fake_vendorlink: FakeVendorlink
) -> None:
    answer = broker.vendorlink(vendorlink)
    assert answer.headers["Authorization"].startswith("Bearer ")
    assert answer.base_url == f"http://{fake_vendorlink.address}/API"
    assert "user_id" in answer.context


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
    first = broker.vntana(vntana)
    assert first.fingerprint in str(broker.status("vntana", vntana))
    assert broker.forget("vntana", vntana) >= 1
    assert broker.vntana(vntana).generation == 2


def test_rejected_replaces_only_the_current_token(broker: Broker, vntana: str) -> None:
    first = broker.vntana(vntana)
    second = broker.vntana(vntana, rejected=first.fingerprint)
    assert second.generation == 2
    for fingerprint in (first.fingerprint, UNKNOWN):
        assert broker.vntana(vntana, rejected=fingerprint).generation == 2


def test_force_makes_a_new_token_and_is_rate_limited(broker: Broker, vntana: str) -> None:
    first = broker.vntana(vntana)
    assert broker.vntana(vntana, force=True).generation == first.generation + 1
    with pytest.raises(TooManyRequests) as caught:
        broker.vntana(vntana, force=True)
    assert caught.value.retryable
    assert 0 < (caught.value.retry_after or 0) <= 10


def test_an_old_token_is_marked_stale_if_a_forced_exchange_fails(
    broker: Broker, vntana: str, fake_vntana: FakeVntana
) -> None:
    """The vendor answers 503."""
    first = broker.vntana(vntana)
    fake_vntana.fail("status", times=None, status=503)
    second = broker.vntana(vntana, force=True)
    assert second.stale
    assert second.fingerprint == first.fingerprint


def test_fifty_threads_of_a_process_cause_one_login(
    system: System, make_broker: MakeBroker, vntana: str, fake_vntana: FakeVntana
) -> None:
    """All threads get the same token."""
    broker = make_broker(system.url)

    def ask(_: int) -> Answer:
        return broker.vntana(vntana)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert {answer.fingerprint for answer in answers} == {answers[0].fingerprint}
    assert fake_vntana.log.counts["login"] == 1


@pytest.fixture(autouse=True)
def _only_known_requests(fake_vntana: FakeVntana) -> Iterator[None]:
    """The vendor gets no unknown and no invalid request."""
    yield
    assert fake_vntana.log.unknown == fake_vntana.log.breaches == []
