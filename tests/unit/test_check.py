"""A check: one harmless request with the token of other callers, without additional logins."""

import dataclasses
import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from tests.functions.test_tokens import assert_problem
from tests.subjects import CHECKED, check, dead, proof, wrong_login
from tests.unit.memory_aws import PREFIX
from tests.unit.memory_broker import Context, MemoryBroker, around, raising, with_token
from token_broker.check import Check
from token_broker.document import Document
from token_broker.errors import BrokerError, InvalidRequest, UpstreamUnavailable
from token_broker.handler import ANSWER_SECONDS
from token_broker.records import replace
from token_broker.refresh.refresher import YOUNG_SECONDS
from token_broker.tokens import TokenRequest

JSON = {"content-type": "application/json"}
EVENTS = ("check", "check failed", "upstream")


def checked(broker: MemoryBroker, body: object = None) -> dict[str, Any]:
    """Return the response to a check by HTTP."""
    return broker.http(body, rest="/check")


def outcomes(broker: MemoryBroker) -> list[str]:
    """Return the outcome of each check in the log, and the code of each that failed."""
    return [f.get("outcome") or f["code"] for e, f in broker.telemetry.events if e in EVENTS[:2]]


def sent(broker: MemoryBroker) -> list[str]:
    """Return the steps of the requests to the vendor since the last call."""
    steps = broker.steps
    broker.fake.log.clear()
    return steps


def editor(**secret: Any) -> MemoryBroker:
    """Return a broker of the editor with a token."""
    broker = MemoryBroker("editor", secret=secret)
    broker.call()
    return broker


def run(broker: MemoryBroker, seconds: float) -> object:
    """Check the token of a call without a body, within that many seconds."""
    requested = broker.deps.flow.requested(Document({}, InvalidRequest))
    return Check(broker.deps, "acme", broker.monotonic + seconds).run(TokenRequest(requested))


def failure(broker: MemoryBroker, seconds: float) -> BrokerError:
    with pytest.raises(BrokerError) as raised:
        run(broker, seconds)
    return raised.value


@pytest.mark.parametrize("flow", CHECKED)
def test_a_check_uses_the_cached_token_or_obtains_one(flow: str) -> None:
    """It obtains a missing token. Duration and result are emitted. The secret is read once."""
    broker = MemoryBroker(flow, vendor_seconds=1.00006)
    around(broker.aws.secrets, "of_version", raising(LookupError("it is the current one")))
    answer = checked(broker)["body"]
    first = broker.call()
    assert first["source"] == "memory"
    milliseconds = round(1000.06 * len(sent(broker)), 1)
    assert answer == {"ok": True, "milliseconds": milliseconds, "context": first["context"]}
    broker.telemetry.events.clear()
    assert broker.call(action="check")["ok"]
    status = broker.fake.log[-1].status
    assert sent(broker) == [check(flow)[1]]
    of_check = {"connection": "acme", "outcome": "success", "milliseconds": 1000.1}
    of_request = {"step": check(flow)[0].step, "status": status}
    assert [(e, f) for e, f in broker.telemetry.events if e in EVENTS] == [
        ("upstream", of_request | {"milliseconds": 1000.1}),
        ("check", of_check),
    ]


@pytest.mark.parametrize("flow", CHECKED)
def test_a_check_replaces_a_revoked_token(flow: str) -> None:
    """The next caller gets the new one. What it is made from is no longer too young to replace."""
    broker = MemoryBroker(flow)
    first = broker.call()
    broker.now += YOUNG_SECONDS
    broker.fake.revoke()
    assert checked(broker)["statusCode"] == 200
    second = broker.call()
    assert (second["source"], second["generation"]) == ("memory", first["generation"] + 1)


def test_a_check_tells_the_context_of_the_token_that_works() -> None:
    """Not that of the dead one: the account may have another role since."""
    broker = with_token("vntana", after=301)
    for organization in broker.fake.accounts[0].organizations:  # type: ignore[attr-defined]  # VNTANA's
        organization.role = "ORGANIZATION_OWNER"
    broker.fake.revoke()
    assert checked(broker)["body"]["context"]["role"] == "ORGANIZATION_OWNER"


@pytest.mark.parametrize("flow", CHECKED)
def test_a_check_reports_a_vendor_that_rejects_each_token(flow: str) -> None:
    """After one new token, within the limits of reports; callers keep their tokens."""
    broker = MemoryBroker(flow)
    broker.call()
    said = json.dumps({**dead(flow).members(), "message": "this token is dead"})
    answer = {"status": dead(flow).status, "headers": JSON, "body": said}
    broker.fake.fail("answer", step=check(flow)[1], times=None, **answer)
    for _ in range(3):
        response = checked(broker)
        assert_problem(response, "upstream_refused", 502)
        assert response["body"]["detail"] == "check: a new token was refused as well"
        assert response["body"]["upstream_status"] == dead(flow).status
        if check(flow)[0].method != "HEAD":
            assert response["body"]["upstream_message"].partition("; ")[0] == "this token is dead"
    sent(broker)
    assert_problem(checked(broker), "too_many_requests", 429)
    assert sent(broker) == [check(flow)[1]]
    refused, limited = "upstream_refused", "too_many_requests"
    assert outcomes(broker) == [refused] * 6 + [limited] * 2


@pytest.mark.parametrize("flow", CHECKED)
def test_an_outage_during_a_check_replaces_no_token(flow: str) -> None:
    """It is reported as an outage, and the token is kept."""
    broker = MemoryBroker(flow)
    first = broker.call()
    broker.fake.fail("status", step=check(flow)[1], times=None, status=503)
    response = checked(broker)
    assert_problem(response, "upstream_unavailable", 503)
    assert response["body"]["upstream_status"] == 503
    assert broker.call()["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize("flow", CHECKED)
def test_repeated_checks_with_wrong_credentials_send_one_login(flow: str) -> None:
    """The second check finds the latch."""
    broker = MemoryBroker(flow, secret=dict(wrong_login(flow)))
    codes = [checked(broker)["body"]["code"] for _ in range(3)]
    assert codes == ["credential_rejected", "credential_latched", "credential_latched"]
    assert sent(broker).count(proof(flow).step) == 1


def test_a_check_belongs_to_the_secret_version_of_its_token() -> None:
    """No token of one version is sent to a host of another; it also masks the vendor's message.

    A vendor may quote a value that the current secret no longer has.
    """
    broker = editor(editor_url="https://c4nary.example/app")
    broker.put_secret(token_url="http://127.0.0.1:9")
    urls: list[str] = []
    send = broker.deps.send

    def counted(request: Any, seconds: float) -> Any:
        urls.append(request.url)
        return send(request, seconds)

    broker.deps = replace(broker.deps, send=counted)
    body = '{"message": "no https://c4nary.example/app here"}'
    broker.fake.fail("answer", step="verify", status=422, headers=JSON, body=body)
    error = failure(broker, 9)
    assert urls == [f"{broker.working['token_url']}/verify"]
    assert (error.upstream_status, error.upstream_message) == (422, "no *** here")


def test_a_token_of_a_deleted_secret_version_is_replaced() -> None:
    """The host of that version is unknown."""
    broker = editor()
    broker.put_secret()
    broker.now += 60
    assert broker.call(force=True)["generation"] == 2
    broker.aws.manager.texts[f"{PREFIX}acme"].pop()
    sent(broker)
    assert broker.call(action="check")["ok"]
    assert sent(broker) == ["generate", "verify"]


def test_an_error_of_a_check_quotes_no_answer_to_another_token() -> None:
    """The new token is not sent: its version of the secret is gone."""
    broker = editor()
    send = broker.deps.send

    def rotating(request: Any, seconds: float) -> Any:
        response = send(request, seconds)
        if request.step == "generate":
            broker.put_secret()
        return response

    broker.deps = replace(broker.deps, send=rotating)
    around(broker.aws.secrets, "of_version", lambda *_: None)
    broker.fake.revoke()
    sent(broker)
    error = failure(broker, 9)
    assert sent(broker) == ["verify", "generate"]
    assert (error.code, error.upstream_status) == ("upstream_refused", None)
    assert error.upstream_message is None


@pytest.mark.parametrize("flow", CHECKED)
def test_a_check_reports_an_invalid_secret_while_the_token_lives(flow: str) -> None:
    """Not only when the token expires."""
    broker = MemoryBroker(flow)
    broker.call()
    broker.put_secret(odd=1)
    assert_problem(checked(broker), "not_configured", 500)


@pytest.mark.parametrize("payload", [{"action": "check"}, {"action": "verify", "token": "x"}])
@pytest.mark.parametrize(("left", "waited"), [(0.125, []), (0.25, [0.25]), (9.0, [5.0])])
def test_the_timeout_of_a_check_or_a_verify_is_the_remaining_time(
    payload: dict[str, Any], left: float, waited: list[float]
) -> None:
    """Five seconds at most; with too little, nothing is sent. Each request is measured."""
    broker = editor()
    broker.waited.clear()
    broker.telemetry.events.clear()
    context = Context(milliseconds=round(1000 * (left + ANSWER_SECONDS)))
    no_time = pytest.raises(Exception, match='"verify: no time was left to send it"')
    with nullcontext() if waited else no_time:
        broker.service({"connection": "acme"} | payload, context)
    assert broker.waited == pytest.approx(waited)
    assert [line["step"] for line in broker.telemetry.of("upstream")] == ["verify"] * len(waited)


@pytest.mark.parametrize("is_sent", [True, False])
def test_a_check_without_a_response_does_not_quote_an_earlier_one(is_sent: bool) -> None:
    """The vendor rejected the first token; the new one timed out, or could not be tried."""
    broker = editor()
    broker.fake.revoke()
    deadline, verified = broker.monotonic + 25, 0

    def send(request: Any, _: float) -> Any:
        nonlocal verified
        if request.step == "verify":
            verified += 1
            if verified > 1:
                raise UpstreamUnavailable("verify: timed out")
        elif not is_sent:
            broker.monotonic = deadline - 0.125
        return broker.fake(request)

    broker.deps = replace(broker.deps, send=send)
    error = failure(broker, 25)
    reason = "timed out" if is_sent else "no time was left to send it"
    assert (error.detail, error.upstream_status) == (f"verify: {reason}", None)
    assert error.retry_after == (None if is_sent else 1)
    assert error.upstream_message is None
    failed = {"connection": "acme", "code": "upstream_unavailable"}
    assert broker.telemetry.of("check failed") == [failed]
    noted = [f["status"] for f in broker.telemetry.of("upstream") if f["step"] == "verify"]
    assert noted == [403, *[0] * is_sent]


def test_an_unexpected_exception_of_a_check_is_emitted_as_internal() -> None:
    broker = editor()
    broker.deps = replace(broker.deps, send=raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        run(broker, 9)
    assert outcomes(broker) == ["internal", "internal"]


def test_a_flow_without_a_check_is_refused() -> None:
    """Before any token is obtained."""
    deps = MemoryBroker().deps
    vendor = dataclasses.replace(deps.flow.vendor, check=None)
    flow: Any = SimpleNamespace(name="sales", vendor=vendor)
    with pytest.raises(InvalidRequest, match="action: connections of sales cannot be checked"):
        Check(replace(deps, flow=flow), "acme", 1.0)


def test_a_check_accepts_the_variant_fields_of_a_call() -> None:
    """Other fields are unknown."""
    broker = MemoryBroker("vntana")
    body = {"organization": "studio", "workspace": "chairs"}
    context = checked(broker, body)["body"]["context"]
    assert context == broker.call(**body)["context"]
    assert_problem(checked(broker, {"force": True}), "invalid_request", 400)
