"""Faults of networks, proxies and overloaded vendors."""

import json
import math
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

import pytest

from tests.subjects import FLOWS, Talk, proof, wrong_login
from tests.unit.fakes import vntana_client
from tests.unit.fakes.entrances import Ask, ByHttp, by_call
from tests.waiting import SOON_SECONDS
from token_broker.errors import CredentialRejected, UpstreamError, UpstreamUnavailable
from token_broker.exchange import Request
from token_broker_fakes import FakeEditor, registry
from token_broker_fakes.fake import Fake
from token_broker_fakes.faults import PAGE, Fault, FaultError, Kind


@pytest.fixture
def visitor(ask: Ask) -> vntana_client.Client:
    """A client of VNTANA, which stands for all vendors: faults are in the common part."""
    return vntana_client.client(ask)


def tokens(visitor: vntana_client.Client) -> int:
    """Return how many tokens were ever made."""
    return len(visitor.fake.sessions.by_token)


HTML = {"content-type": "text/html; charset=utf-8"}
ELSEWHERE = "https://elsewhere.example.com"
INSTEAD: list[tuple[dict[str, Any], tuple[int, bytes, dict[str, str]], int]] = [
    ({"kind": "status", "status": 502}, (502, b"", {}), 0),
    ({"kind": "status", "headers": {"Retry-After": "7"}}, (503, b"", {"retry-after": "7"}), 0),
    ({"kind": "status_after"}, (503, PAGE, {}), 1),
    ({"kind": "html"}, (503, PAGE, HTML), 0),
    ({"kind": "html", "status": 200}, (200, PAGE, HTML), 0),
    (
        {"kind": "answer", "status": 302, "headers": {"Location": ELSEWHERE}, "body": "moved"},
        (302, b"moved", {"location": ELSEWHERE}),
        0,
    ),
]


@pytest.mark.parametrize(("fault", "answer", "processed"), INSTEAD)
def test_a_fault_answers_instead_of_the_vendor(
    visitor: vntana_client.Client,
    fault: dict[str, Any],
    answer: tuple[int, bytes, dict[str, str]],
    processed: int,
) -> None:
    """Without processing the request, as a proxy does, or after it."""
    visitor.fake.fail(**fault)
    found = visitor.login()
    assert (found.status, found.content, found.headers) == answer
    assert tokens(visitor) == processed


@pytest.mark.parametrize(("kind", "processed"), [("reset", 0), ("drop", 1), ("cut", 1)])
def test_a_lost_response_raises_upstream_unavailable(
    visitor: vntana_client.Client, kind: Kind, processed: int
) -> None:
    """Before or after processing; the next request succeeds."""
    visitor.fake.fail(kind)
    with pytest.raises(UpstreamUnavailable):
        visitor.login()

    assert tokens(visitor) == processed
    assert visitor.fake.log[0].is_lost
    assert visitor.login().is_success


def test_a_fault_ends_the_connection_or_drips_over_http() -> None:
    """By a reset, without an answer, within one; or the answer arrives by single bytes."""
    ends: dict[Kind, str] = {
        "reset": "ConnectionReset",
        "drop": "RemoteDisconnected",
        "cut": "IncompleteRead",
    }
    with closing(ByHttp()) as by_http:
        visitor = vntana_client.client(by_http)
        for kind, end in ends.items():
            visitor.fake.fail(kind)
            with pytest.raises(UpstreamUnavailable, match=end):
                visitor.login()
        visitor.fake.fail("drip", seconds=0.0001)
        assert visitor.login().json()["success"]


def test_the_faults_truncate_and_flood_change_the_body(visitor: vntana_client.Client) -> None:
    """Half of the body, or more than 2 MiB."""
    visitor.fake.fail("truncate")
    answer = visitor.login()
    assert (answer.status, answer.json(), tokens(visitor)) == (200, None, 1)
    assert answer.content

    visitor.fake.fail("flood")
    answer = visitor.login()
    assert len(answer.content) > 2 << 20
    assert answer.json()["success"]


WHOLE = "a whole number"
"""What describes the choices of a mode that is no list of words."""


@pytest.mark.parametrize("flow", FLOWS)
def test_the_fault_no_token_removes_the_token_from_a_success(flow: str) -> None:
    """Where any mode puts it. Another answer stays as it is, an error or no object."""
    described = registry.new(flow).modes.describe().items()
    choices = [(name, each["choices"]) for name, each in described]
    for mode in [{name: value} for name, known in choices if known != WHOLE for value in known]:
        whole = Talk(flow, modes=mode)
        if whole.error is None:
            fault = {"kind": "no_token", "step": whole.log[-1][0].step, "times": None}
            assert isinstance(Talk(flow, modes=mode, fault=fault).error, UpstreamError), mode
    fault = {"kind": "no_token", "step": proof(flow).step}
    refused = Talk(flow, fault=fault, changes=wrong_login(flow))
    assert isinstance(refused.error, CredentialRejected)
    fake = registry.new(flow)
    for body in ("", "null", "[]", "3", "[" * 9_999, '{"a": 1}'):
        fake.fail("answer", status=200, headers={"X-A": "1"}, body=body)
        fake.fail("no_token")
        answer = fake(Request("GET", "https://vendor/", "test"))
        assert (answer.content.decode(), answer.headers) == (body, {"x-a": "1"})


@pytest.mark.parametrize(
    ("kind", "slept"), [("delay", 2.0), ("late", 2.0), ("drip", 2.0 * len(b'{"a":1}'))]
)
def test_delays_sleep_with_the_given_function(kind: Kind, slept: float) -> None:
    """A simulation gives its own, and need not wait. Two of a kind add up."""
    sleeps: list[float] = []
    fake = FakeEditor({"key": "application"}, sleep=sleeps.append)
    fake.fail("answer", body='{"a":1}', status=200)
    fake.fail(kind, seconds=1.5)
    fake.fail(kind, seconds=0.5)
    request = Request("POST", "https://tokens/generate", "test", {"x-api-key": "key"}, {})
    assert fake(request).json() == {"a": 1}
    assert sum(sleeps) == slept


def test_a_delayed_request_does_not_block_others() -> None:
    """Both before and after its processing. The lock would stop another thread, not its own."""
    answers: list[int] = []
    visitor = vntana_client.client(by_call)
    with ThreadPoolExecutor() as pool:

        def sleep(_seconds: float) -> None:
            done, _ = wait([pool.submit(visitor.login)], SOON_SECONDS)
            answers.extend(one.result().status for one in done)

        visitor.fake.sleep = sleep
        visitor.fake.fail("delay")
        visitor.login()
        visitor.fake.fail("late")
        visitor.login()
    assert answers == [200, 200]
    assert [entry.faults for entry in visitor.fake.log] == [(), ("delay",), ("late",), ()]


def test_a_fault_can_be_limited_to_a_step_or_a_path(visitor: vntana_client.Client) -> None:
    visitor.fake.fail("status", step="enter organization")
    visitor.fake.fail("status", step="/v1/organizations")
    login = vntana_client.token_in(visitor.login())
    assert visitor.call("GET", "/v1/organizations", login).status == 503
    assert visitor.call("GET", "/v1/organizations", login).status == 200
    assert visitor.enter(login).status == 503
    assert visitor.enter(login).status == 200


def test_a_fault_applies_a_number_of_times_or_always(visitor: vntana_client.Client) -> None:
    visitor.fake.fail("status")
    assert [visitor.login().status for _ in range(2)] == [503, 200]
    visitor.fake.fail("status", times=2)
    assert [visitor.login().status for _ in range(3)] == [503, 503, 200]
    visitor.fake.fail("status", times=None)
    assert [visitor.login().status for _ in range(3)] == [503, 503, 503]
    visitor.fake.heal()
    assert visitor.login().status == 200


def test_several_faults_are_combined(visitor: vntana_client.Client) -> None:
    """Of two that skip processing, the first applies; a damaging one applies to its response."""
    visitor.fake.fail("answer", status=200, body=json.dumps({"a": "b" * 9}))
    visitor.fake.fail("status", status=504)
    visitor.fake.fail("truncate")
    answer = visitor.login()
    assert (answer.status, answer.content) == (200, b'{"a": "bb')
    assert visitor.fake.log[0].faults == ("answer", "status", "truncate")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "explode"}, "kind is one of delay, late, .*; not 'explode'"),
        ({"kind": "drop", "times": 0}, "times is from 1"),
        ({"kind": "drop", "times": True}, "times is from 1"),
        ({"kind": "delay", "seconds": -1}, "seconds is a number from 0"),
        ({"kind": "delay", "seconds": "1"}, "seconds is a number from 0"),
        ({"kind": "delay", "seconds": math.inf}, "seconds is a number from 0, a century at most"),
        ({"kind": "delay", "seconds": 10**400}, "seconds is a number from 0, a century at most"),
        ({"kind": "status", "status": 99}, "status is 200 to 599"),
        ({"kind": "status", "status": 600}, "status is 200 to 599"),
        ({"kind": "status", "step": 1}, "step is a step, a path, or null"),
        ({"kind": "answer", "body": b"x"}, "body is a text"),
        ({"kind": "answer", "headers": []}, "headers is an object of texts"),
        ({"kind": "answer", "headers": {"a": 1}}, "headers is an object of texts"),
        ({"kind": "answer", "headers": {"a": "€"}}, "headers is an object of texts in Latin-1"),
        ({"kind": "answer", "body": "\ud800"}, "body is a text"),
    ],
)
def test_faults_with_invalid_values_are_refused(wrong: dict[str, Any], message: str) -> None:
    """Otherwise they would never apply. Any HTTP status is allowed; one is for one request."""
    assert Fault("drop").times == 1
    assert [Fault("status", status=status).status for status in (200, 599)] == [200, 599]
    with pytest.raises(FaultError, match=message):
        Fault(**wrong)


@pytest.mark.parametrize("fake", registry.fakes().values(), ids=registry.fakes())
def test_unknown_steps_are_refused(fake: Fake[Any]) -> None:
    """The message lists the known ones."""
    with pytest.raises(FaultError, match="there is no step 'logn'; there are "):
        fake.fail("drop", step="logn")
