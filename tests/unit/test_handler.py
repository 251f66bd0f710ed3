"""From an event to a response: the exact response, problem and audit line."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.functions.world import CALLER, proxy_event
from tests.unit.memory_aws import PREFIX
from tests.unit.memory_broker import (
    INVOKED,
    Context,
    MemoryBroker,
    around,
    raising,
    with_token,
)
from tests.unit.test_item import kinds_of
from token_broker.aws import clients
from token_broker.broker import Answer
from token_broker.errors import BrokerError, TooManyRequests, UpstreamRefused
from token_broker.handler import http_problem, http_response
from token_broker.records import replace
from token_broker.tokens import TokenRequest, Variant

DIRECT = "direct invocation of live"


def test_a_token_response_has_headers_base_url_and_times() -> None:
    broker = MemoryBroker()
    answer = broker.call()
    value = answer["headers"]["Authorization"].removeprefix("Bearer ")
    assert value.startswith("ey")
    assert answer == {
        "flow": "vendorlink",
        "connection": "acme",
        "headers": {"Authorization": f"Bearer {value}"},
        "base_url": "https://app.vendorlink.nl/API",
        "expires_at": "2030-03-17T18:46:40Z",
        "refresh_after": "2030-03-17T18:37:10Z",
        "fingerprint": broker.item().fingerprint,
        "generation": 1,
        "source": "exchange",
        "stale": False,
        "context": {"user_id": 4711, "display_name": "Demo User", "hostname": "app.vendorlink.nl"},
    }
    assert broker.call() == answer | {"source": "memory"}
    broker.restart()
    assert broker.http()["body"] == answer | {"source": "table"}


def test_an_editor_response_has_the_url_with_the_token() -> None:
    answer = MemoryBroker("editor").call(parameters={"userId": "1"})
    token = answer["headers"]["x-api-token"]
    base = "https://tokens.kudo.graebert.com/editor"
    assert answer["url"] == f"{base}?locale=en&apitoken={token}#drawing"
    assert answer["base_url"] == base


def test_each_hand_out_has_an_audit_line() -> None:
    broker = with_token(vendor_seconds=2.00006, after=7)
    broker.http()
    of_item = {
        "connection": "acme",
        "variant": "-",
        "generation": 1,
        "fingerprint": broker.item().fingerprint,
        "stale": False,
        "slow": False,
        "request_id": "r-1",
    }
    by_exchange = {"source": "exchange", "entrance": "direct", "caller": DIRECT, "alias": "live"}
    by_memory = {"source": "memory", "entrance": "api", "caller": CALLER, "alias": "live"}
    assert broker.telemetry.of("hand-out") == [
        of_item | by_exchange | {"milliseconds": 2000.1, "token_age": 2},
        of_item | by_memory | {"milliseconds": 0.0, "token_age": 9},
    ]
    assert broker.telemetry.of("cold start") == [{}]


@pytest.mark.parametrize("milliseconds", [99.9, 100.0])
@pytest.mark.parametrize("source", ["memory", "table", "exchange"])
@pytest.mark.parametrize("missed", [{}, {"is_hit": False}])
def test_only_a_kept_token_counts_as_slow(
    milliseconds: float, source: str, missed: dict[str, bool]
) -> None:
    """From 100 ms on; not a token that was waited for, nor an old one after a failed exchange."""
    broker = with_token()
    answer = broker.service._broker.token("acme", TokenRequest(Variant("login")), 600.0)

    def slowly(*_: object) -> Answer:
        broker.monotonic += milliseconds / 1000
        return replace(answer, source=source, **missed)

    object.__setattr__(broker.service._broker, "token", slowly)
    broker.call()
    assert broker.telemetry.of("hand-out")[-1]["slow"] is (not missed and milliseconds >= 100)


def test_half_a_second_is_reserved_for_the_response() -> None:
    """Of the time for requests to the vendor and to AWS."""
    broker = MemoryBroker()
    found: list[float] = []
    send = broker.fake

    def answer(request: Any) -> Any:
        found.append(clients.seconds_left())
        return send(request)

    broker.fake = answer  # type: ignore[assignment]  # a fake that looks at the time
    broker.service({"connection": "acme"}, Context(milliseconds=20_500))
    assert broker.waited == [16.0]
    assert 19.0 < found[0] <= 20.0
    assert clients.seconds_left() > 1e9


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        ({"action": "status"}, "success"),
        ({"action": "verify", "token": "x"}, "invalid_request"),
        ({"action": "forget"}, "success"),
        ({"action": "forget", "connection": "missing"}, "unknown_connection"),
        ({"action": "lift"}, "success"),
        ({"action": "lift", "connection": "missing"}, "unknown_connection"),
        ({"action": "status", "connection": "missing"}, "unknown_connection"),
    ],
)
def test_each_other_action_has_an_audit_line(payload: dict[str, Any], outcome: str) -> None:
    broker = MemoryBroker()
    with suppress(Exception):
        broker.call(**payload)
    [line] = broker.telemetry.of("action")
    named = {"action": payload["action"], "connection": payload.get("connection", "acme")}
    by = {"entrance": "direct", "caller": DIRECT, "alias": "live", "request_id": "r-1"}
    assert line == named | by | {"outcome": outcome, "milliseconds": 0.0}


@pytest.mark.parametrize(
    ("line", "payload"),
    [("action", {"action": "renew", "variant": "-"}), ("hand-out", {"force": True})],
)
def test_an_audit_line_has_the_duration_since_the_invocation_began(
    line: str, payload: dict[str, Any]
) -> None:
    broker, context = with_token(), Context()
    broker.now = broker.item().refresh_at
    broker.vendor_seconds = 2.00006

    def slow(left: Callable[[], int]) -> int:
        broker.monotonic += 1.0
        return left()

    around(context, "get_remaining_time_in_millis", slow)
    broker.service({"connection": "acme"} | payload, context)
    assert broker.telemetry.of(line)[-1]["milliseconds"] == 3000.1


def test_an_unexpected_exception_of_an_action_is_audited_as_internal() -> None:
    broker = MemoryBroker()
    around(broker.aws.store, "list", raising(TypeError("a defect")))
    broker.monotonic = 1.0
    with pytest.raises(Exception, match="internal") as raised:
        broker.call(action="status")
    assert type(raised.value).__name__ == "Internal"
    assert [line["outcome"] for line in broker.telemetry.of("action")] == ["internal"]
    problem = json.loads(str(raised.value))
    assert problem["detail"] == "a defect; see the log of request r-1"
    ((defect, request),) = broker.telemetry.defects
    assert (type(defect), request) == (TypeError, "r-1")


def test_a_failure_is_returned_and_logged() -> None:
    """With the vendor's message, if there is one."""
    broker = MemoryBroker()
    call = {"action": "token", "connection": "acme"}
    call |= {"entrance": "api", "caller": CALLER, "alias": "live"}
    blocked = {"status": 400, "body": json.dumps({"message": "account is blocked"})}
    for fault, extra in (
        ({"status": 503}, {}),
        (blocked, {"upstream_message": "account is blocked"}),
    ):
        broker.fake.fail("status", **fault)
        problem = broker.http()["body"]
        assert problem | extra == problem
        members = {"code": problem["code"], "detail": problem["detail"]} | extra
        assert broker.telemetry.of("failure")[-1] == members | call | {"request_id": "r-1"}
        broker.now += 2
    with pytest.raises(Exception, match="credential_latched") as raised:
        broker.call()
    assert type(raised.value).__name__ == "CredentialLatched"
    assert not isinstance(raised.value, BrokerError)
    assert raised.value.__context__ is None
    assert broker.telemetry.of("failure")[2]["caller"] == DIRECT


@pytest.mark.parametrize("kind", kinds_of(BrokerError), ids=lambda kind: kind.__name__)
def test_a_token_call_that_fails_with_5xx_is_counted_as_unanswered(
    kind: type[BrokerError],
) -> None:
    """For the availability objective; other actions do not count."""
    broker = MemoryBroker()
    for operation in ("current", "version"):
        around(broker.aws.secrets, operation, raising(kind("why")))
    for action in ("check", "token"):
        with suppress(Exception):
            broker.call(action=action)
    facts = {"code": kind.code, "request_id": "r-1"}
    assert broker.telemetry.of("unanswered") == [facts] * (kind.status >= 500)


@pytest.mark.parametrize(
    ("event", "caller"),
    [
        (proxy_event("vendorlink", "acme", rest="/nowhere"), CALLER),
        (proxy_event("vendorlink", "UPPER"), CALLER),
        ({"source": "aws.secretsmanager", "detail": {}}, "secret changed"),
        ({"connection": "acme", "nonsense": 1}, DIRECT),
        ([], DIRECT),
        (None, DIRECT),
    ],
)
def test_an_unreadable_event_is_an_invalid_request(event: Any, caller: str) -> None:
    broker = MemoryBroker()
    if isinstance(event, dict) and "requestContext" in event:
        assert broker.service(event, Context())["statusCode"] == 400
    else:
        with pytest.raises(Exception, match="invalid_request") as raised:
            broker.service(event, Context())
        assert type(raised.value).__name__ == "InvalidRequest"
    ((failure),) = broker.telemetry.of("failure")
    assert (failure["code"], failure["caller"]) == ("invalid_request", caller)
    assert broker.telemetry.defects == []


ROTATION = {
    "source": "aws.secretsmanager",
    "detail-type": "Secret Label Updated",
    "detail": {"labelUpdated": "AWSCURRENT", "name": f"{PREFIX}acme"},
}
HOLD = proxy_event("vendorlink", "acme", {"reason": "x"}, method="PUT", rest="/hold")


@pytest.mark.parametrize("payload", [{}, {"connection": "acme"}, {"action": "warm", "calls": []}])
@pytest.mark.parametrize("event", [proxy_event("vendorlink", "acme"), HOLD, ROTATION])
def test_by_an_alias_other_than_live_every_event_is_a_direct_invocation(
    event: dict[str, Any], payload: dict[str, Any]
) -> None:
    """A team cannot call in another name by an event in the form of the API's or EventBridge's."""
    broker = MemoryBroker()
    by_team = Context(invoked_function_arn=INVOKED.replace(":live", ":team-2"))
    with pytest.raises(Exception, match="invalid_request"):
        broker.service(event | payload, by_team)
    assert (broker.steps, broker.invoked, broker.announced) == ([], [], [])
    [line] = broker.telemetry.of("failure")
    by = {"entrance": "direct", "caller": "direct invocation of team-2"}
    assert line | by | {"alias": "team-2"} == line


@pytest.mark.parametrize(
    ("qualifier", "alias"),
    [(":live", "live"), ("", ""), (":7", "7"), (":$LATEST", "$LATEST")],
)
def test_each_audit_line_has_the_alias_that_was_invoked(qualifier: str, alias: str) -> None:
    """Or the version. By these, the API's events and EventBridge's are accepted."""
    broker = MemoryBroker()
    invocation = Context(invoked_function_arn=INVOKED.replace(":live", qualifier))
    nowhere = proxy_event("vendorlink", "acme", rest="/nowhere")
    for event in (proxy_event("vendorlink", "acme"), HOLD, ROTATION, nowhere):
        broker.service(event, invocation)
    events = ("hand-out", "action", "failure")
    lines = [line for event in events for line in broker.telemetry.of(event)]
    assert [line["entrance"] for line in lines] == ["api", "api", "event", "api"]
    assert {line["alias"] for line in lines} == {alias}


def test_a_wrong_field_of_a_request_is_named() -> None:
    broker, seconds = MemoryBroker(), "min_ttl: must be a whole number of seconds, at least 0"
    details: list[tuple[dict[str, Any], str]] = [
        ({"min_ttl": -1}, seconds),
        ({"min_ttl": "30"}, seconds),
        ({"force": 1}, "force: must be true or false"),
        ({"rejected": "0123456789ABCDEF"}, "rejected: must be a fingerprint: 16 hex digits"),
        ({"organization": "acme"}, "organization: is not known"),
    ]
    for body, detail in details:
        response = broker.http(body)
        assert (response["statusCode"], response["body"]["detail"]) == (400, detail)


def test_every_field_is_passed_to_the_broker() -> None:
    broker = MemoryBroker()
    first = broker.http({"min_ttl": 0, "force": False})["body"]
    broker.now += 20
    second = broker.http({"force": True})["body"]
    third = broker.http({"rejected": second["fingerprint"]})["body"]
    assert [answer["generation"] for answer in (first, second, third)] == [1, 2, 3]
    assert broker.http({"min_ttl": 3_600})["body"]["code"] == "invalid_request"
    assert broker.http({"min_ttl": 3_599})["statusCode"] == 200


# Responses


def test_a_response_must_not_be_cached_by_proxies() -> None:
    """The content type of errors is that of problems."""
    for status, kind in ((200, "json"), (399, "json"), (400, "problem+json")):
        assert http_response(status, {"a": None}) == {
            "statusCode": status,
            "headers": {"content-type": f"application/{kind}", "cache-control": "no-store"},
            "body": '{"a": null}',
            "isBase64Encoded": False,
        }


def test_an_error_response_is_a_problem_with_retry_after() -> None:
    errors: list[tuple[BrokerError, dict[str, str]]] = [
        (TooManyRequests("force: once", retry_after=0), {"retry-after": "0"}),
        (UpstreamRefused("login: blocked", upstream_status=403), {}),
    ]
    for error, headers in errors:
        response = http_response(error.status, error.problem())
        assert http_problem(error) == response | {"headers": response["headers"] | headers}
