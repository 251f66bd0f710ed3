"""A check: one harmless request with the token that any caller gets, and no more logins."""

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from tests.functions.test_tokens import assert_problem
from tests.subjects import CHECKED, check, proof, wrong_login
from tests.unit.memory_aws import PREFIX
from tests.unit.memory_broker import MemoryBroker
from token_broker.check import MOST_SECONDS, Check
from token_broker.document import Document
from token_broker.errors import BrokerError, InvalidRequest, UpstreamUnavailable
from token_broker.records import replace
from token_broker.tokens import TokenRequest

JSON = {"content-type": "application/json"}
EVENTS = ("check", "check failed", "upstream")


def checked(broker: MemoryBroker, body: object = None) -> dict[str, Any]:
    """Return the response to a check by HTTP."""
    return broker.http(body, rest="/check")


def told(broker: MemoryBroker) -> list[str]:
    """Return the outcome of each check in the log, and the code of each that failed."""
    return [f.get("outcome") or f["code"] for e, f in broker.telemetry.told if e in EVENTS[:2]]


def sent(broker: MemoryBroker) -> list[str]:
    """Return what the vendor was asked for since the last time."""
    steps = broker.steps
    broker.fake.log.clear()
    return steps


def editor(**secret: Any) -> MemoryBroker:
    """Return a broker of the editor with a token."""
    broker = MemoryBroker("editor", secret=secret)
    broker.call()
    return broker


def run(broker: MemoryBroker, seconds: float) -> object:
    """Check what a call without a body asks for, within so many seconds."""
    requested = broker.deps.flow.requested(Document({}, InvalidRequest))
    return Check(broker.deps, "acme", broker.monotonic + seconds).run(TokenRequest(requested))


def failure(broker: MemoryBroker, seconds: float) -> BrokerError:
    with pytest.raises(BrokerError) as raised:
        run(broker, seconds)
    return raised.value


@pytest.mark.parametrize("flow", CHECKED)
def test_a_check_is_one_request_with_the_token_that_callers_get(flow: str) -> None:
    """It makes the token that is not there, and uses the one that is. All of it is noted."""
    broker = MemoryBroker(flow, vendor_seconds=1.00006)
    answer = checked(broker)["body"]
    first = broker.call()
    assert first["source"] == "memory"
    milliseconds = round(1000.06 * len(sent(broker)), 1)
    assert answer == {"ok": True, "milliseconds": milliseconds, "context": first["context"]}
    broker.telemetry.told.clear()
    assert broker.call(action="check")["ok"]
    assert sent(broker) == [check(flow)[1]]
    of_check = {"connection": "acme", "outcome": "success", "milliseconds": 1000.1}
    of_request = {"step": check(flow)[0].step, "status": 200}
    assert [(e, f) for e, f in broker.telemetry.told if e in EVENTS] == [
        ("upstream", of_request | {"milliseconds": 1000.1}),
        ("check", of_check),
    ]


@pytest.mark.parametrize("flow", CHECKED)
def test_a_token_that_the_vendor_ended_is_replaced(flow: str) -> None:
    """The check finds what a caller would have met, and mends it: the next caller does not."""
    broker = MemoryBroker(flow)
    first = broker.call()
    broker.fake.revoke()
    assert checked(broker)["statusCode"] == 200
    second = broker.call()
    assert (second["source"], second["generation"]) == ("memory", first["generation"] + 1)


@pytest.mark.parametrize("flow", CHECKED)
def test_a_vendor_that_refuses_each_token_is_told_as_refusing(flow: str) -> None:
    """After one new token, and within the limits of reports: callers keep theirs."""
    broker = MemoryBroker(flow)
    broker.call()
    answer = {"status": 401, "headers": JSON, "body": '{"message": "this token is dead"}'}
    broker.fake.fail("answer", step=check(flow)[1], times=None, **answer)
    for _ in range(3):
        response = checked(broker)
        assert_problem(response, "upstream_refused", 502)
        assert response["body"]["detail"] == "check: a new token was refused as well"
        assert response["body"]["upstream_status"] == 401
        assert response["body"]["upstream_message"] == "this token is dead"
    sent(broker)
    assert_problem(checked(broker), "too_many_requests", 429)
    assert sent(broker) == [check(flow)[1]]
    refused, limited = "upstream_refused", "too_many_requests"
    assert told(broker) == [refused] * 6 + [limited] * 2


@pytest.mark.parametrize("flow", CHECKED)
def test_what_says_nothing_of_the_token_replaces_none(flow: str) -> None:
    """An outage of the vendor is told as one, while the token that lives is kept."""
    broker = MemoryBroker(flow)
    first = broker.call()
    broker.fake.fail("status", step=check(flow)[1], times=None, status=503)
    response = checked(broker)
    assert_problem(response, "upstream_unavailable", 503)
    assert response["body"]["upstream_status"] == 503
    assert broker.call()["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize("flow", CHECKED)
def test_a_check_logs_in_no_more_than_a_call(flow: str) -> None:
    """Wrong credentials cost one login, however often they are checked."""
    broker = MemoryBroker(flow, secret=dict(wrong_login(flow)))
    codes = [checked(broker)["body"]["code"] for _ in range(3)]
    assert codes == ["credential_rejected", "credential_latched", "credential_latched"]
    assert sent(broker).count(proof(flow).step) == 1


def test_a_token_is_checked_where_it_was_made() -> None:
    """No token of one version of the secret is sent to an address of another."""
    broker = editor()
    broker.put_secret(token_url="http://127.0.0.1:9")
    urls: list[str] = []
    send = broker.deps.send

    def seen(request: Any, seconds: float) -> Any:
        urls.append(request.url)
        return send(request, seconds)

    broker.deps = replace(broker.deps, send=seen)
    run(broker, 9)
    assert urls == [f"{broker.working['token_url']}/verify"]


def test_the_vendors_words_are_masked_by_the_secret_that_the_token_was_made_with() -> None:
    """A vendor may quote a value that the secret no longer has."""
    broker = editor(editor_url="https://c4nary.example/app")
    broker.put_secret()
    body = '{"message": "no https://c4nary.example/app here"}'
    broker.fake.fail("answer", step="verify", status=422, headers=JSON, body=body)
    error = failure(broker, 9)
    assert (error.upstream_status, error.upstream_message) == (422, "no *** here")


def test_a_token_whose_version_is_gone_is_replaced() -> None:
    """For where to send it is not known any more."""
    broker = editor()
    broker.put_secret()
    broker.now += 60
    assert broker.call(force=True)["generation"] == 2
    broker.aws.manager.texts[f"{PREFIX}acme"].pop()
    sent(broker)
    assert broker.call(action="check")["ok"]
    assert sent(broker) == ["generate", "verify"]


@pytest.mark.parametrize("flow", CHECKED)
def test_a_secret_that_is_wrong_is_told_while_the_token_lives(flow: str) -> None:
    """And not on the day on which that token ends."""
    broker = MemoryBroker(flow)
    broker.call()
    broker.put_secret(odd=1)
    assert_problem(checked(broker), "not_configured", 500)


@pytest.mark.parametrize(("left", "waited"), [(0.125, []), (0.25, [0.25]), (9.0, [MOST_SECONDS])])
def test_the_vendor_is_given_the_time_that_is_left(left: float, waited: list[float]) -> None:
    """Five seconds at most; with hardly any nothing is sent, as the answer would be lost."""
    broker = editor()
    broker.waited.clear()
    no_time = pytest.raises(UpstreamUnavailable, match=r"^verify: no time was left to send it$")
    with nullcontext() if waited else no_time:
        run(broker, left)
    assert broker.waited == pytest.approx(waited)


def test_no_answer_is_noted_and_quotes_nothing_of_an_earlier_one() -> None:
    broker = editor()
    broker.fake.revoke()
    sends = 0

    def send(request: Any, _: float) -> Any:
        nonlocal sends
        sends += 1
        if request.step == "verify" and sends > 1:
            raise UpstreamUnavailable("verify: timed out")
        return broker.fake(request)

    broker.deps = replace(broker.deps, send=send)
    error = failure(broker, 9)
    assert (error.detail, error.upstream_status) == ("verify: timed out", None)
    assert error.upstream_message is None
    failed = {"connection": "acme", "code": "upstream_unavailable"}
    assert broker.telemetry.of("check failed") == [failed]
    noted = [f["status"] for f in broker.telemetry.of("upstream") if f["step"] == "verify"]
    assert noted == [403, 0]


def test_a_check_that_ends_in_a_defect_is_noted_as_one() -> None:
    broker = editor()

    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError

    broker.deps = replace(broker.deps, send=fail)
    with pytest.raises(ZeroDivisionError):
        run(broker, 9)
    assert told(broker) == ["internal", "internal"]


def test_no_time_for_a_second_request_quotes_nothing_of_the_first() -> None:
    """The vendor refused the token; that the new one could not be tried is another matter."""
    broker = editor()
    broker.fake.revoke()
    deadline = broker.monotonic + 25

    def slow(request: Any, _: float) -> Any:
        broker.monotonic = deadline - (20 if request.step == "verify" else 0.125)
        return broker.fake(request)

    broker.deps = replace(broker.deps, send=slow)
    error = failure(broker, 25)
    assert (error.detail, error.upstream_status) == ("verify: no time was left to send it", None)


def test_a_flow_whose_vendor_has_no_harmless_request_has_no_check() -> None:
    """It says so before it makes a token."""
    deps = MemoryBroker().deps
    vendor = dataclasses.replace(deps.flow.vendor, check=None)
    flow: Any = SimpleNamespace(name="sales", vendor=vendor)
    with pytest.raises(InvalidRequest, match="action: connections of sales cannot be checked"):
        Check(replace(deps, flow=flow), "acme", 1.0)


def test_a_check_is_of_what_a_call_names() -> None:
    """The variant's fields are those of a token call; others are unknown."""
    broker = MemoryBroker("vntana")
    body = {"organization": "studio", "workspace": "chairs"}
    context = checked(broker, body)["body"]["context"]
    assert context == broker.call(**body)["context"]
    assert_problem(checked(broker, {"force": True}), "invalid_request", 400)
