"""The gateway's responses: routes, events, and functions that succeed or fail."""

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.credentials import Credentials

from tests.local.callers import HOST, signed
from tests.waiting import PATIENCE_SECONDS
from token_broker_local import invocations
from token_broker_local.addresses import ACCESS_KEY, FLOWS, function_name
from token_broker_local.functions import Function, LambdaContext
from token_broker_local.gateway import Gateway
from token_broker_local.messages import HttpRequest, HttpResponse
from token_broker_local.routes import ROUTES, Route

Handler = Callable[[Any, Any], Any]


def gateway(handler: Handler, timeout: float = PATIENCE_SECONDS, patience: float = 29.0) -> Gateway:
    functions = {flow: Function(function_name(flow), handler, timeout) for flow in FLOWS}
    return Gateway(functions, patience=patience)


def echo(event: Any, context: LambdaContext) -> Any:
    return {"statusCode": 200, "body": json.dumps({"by": context.function_name, "event": event})}


def event_of(request: HttpRequest) -> dict[str, Any]:
    answer = gateway(echo).answer(request)
    assert answer.status == 200
    event: dict[str, Any] = json.loads(answer.body)["event"]
    return event


def message(answer: HttpResponse) -> str:
    text: str = json.loads(answer.body)["message"]
    return text


# Routes


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_each_route_has_its_function(route: Route) -> None:
    """`test_routes` compares them with the documented ones."""
    path = route.resource.replace("{connection}", "demo")
    answer = gateway(echo).answer(signed(route.method, path))
    assert json.loads(answer.body)["by"] == f"token-broker-{route.flow}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/vntana/demo/token"),
        ("PUT", "/v1/vntana/demo/token"),
        ("POST", "/v1/vntana/demo"),
        ("POST", "/v1/vntana/demo/verify"),
        ("POST", "/v1/other/demo/token"),
        ("POST", "/v1/vntana/a/b/token"),
        ("POST", "/v1/vntana//token"),
        ("POST", "/v2/vntana/demo/token"),
        ("GET", "/"),
        ("BREW", "/v1/vntana/demo"),
    ],
)
def test_an_unknown_route_is_a_403(method: str, path: str) -> None:
    """A REST API has no 404 and no 405: both are this 403, however it is signed."""
    wrong = signed(method, path, credentials=Credentials(ACCESS_KEY, "wrong"))
    for request in (signed(method, path), wrong, HttpRequest(method, path)):
        answer = gateway(echo).answer(request)
        assert answer.status == 403
        assert answer.body == b'{"message":"Missing Authentication Token"}'


def test_an_unsigned_request_is_refused_with_the_headers_of_api_gateway() -> None:
    """Client libraries read them. The function is not called."""
    called: list[Any] = []
    gate = gateway(lambda event, _: called.append(event))
    answer = gate.answer(HttpRequest("POST", "/v1/vntana/demo/token", headers=[("Host", HOST)]))
    assert called == []
    headers = dict(answer.headers)
    assert headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert headers["Content-Type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-amzn-RequestId"])
    assert re.fullmatch(r"[\w-]{15}=", headers["x-amz-apigw-id"])


@pytest.mark.parametrize(
    "target",
    ["/v1/vntana/demo#x", "/v1/vntana/d\xe9mo", "nothing", "*", "/v1/vntana/demo?a=1#x", "/?\xe9"],
)
def test_an_invalid_request_target_is_a_400(target: str) -> None:
    """URLs that parsers read differently are refused."""
    path, _, query = target.partition("?")
    assert gateway(echo).answer(HttpRequest("GET", path, query)).status == 400


# The event


def test_the_event_has_the_members_of_a_rest_api_event() -> None:
    """All of them, and no other."""
    request = signed(
        "POST",
        "/v1/editor/demo/token?a=1&a=2&b=x%20y%2Bz&c=",
        b'{"min_ttl": 5}',
        {"Content-Type": "application/json", "user-agent": "tests"},
    )
    event = event_of(request)
    context = event.pop("requestContext")
    headers = event.pop("headers")
    several = event.pop("multiValueHeaders")
    assert event == {
        "resource": "/v1/editor/{connection}/token",
        "path": "/v1/editor/demo/token",
        "httpMethod": "POST",
        "queryStringParameters": {"a": "2", "b": "x y+z", "c": ""},
        "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["x y+z"], "c": [""]},
        "pathParameters": {"connection": "demo"},
        "stageVariables": None,
        "body": '{"min_ttl": 5}',
        "isBase64Encoded": False,
    }
    assert {name: values[-1] for name, values in several.items()} == headers
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "tests"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Port"] == "8080"
    assert context.keys() == {
        *("accountId", "apiId", "deploymentId", "domainName", "domainPrefix", "extendedRequestId"),
        *("httpMethod", "identity", "path", "protocol", "requestId", "requestTime"),
        *("requestTimeEpoch", "resourceId", "resourcePath", "stage"),
    }


def test_the_event_names_the_caller() -> None:
    """The audit line needs the caller's ARN."""
    identity = event_of(signed())["requestContext"]["identity"]
    assert identity["userArn"] == "arn:aws:iam::123456789012:user/local"
    assert identity["accessKey"] == "local"
    assert identity["accountId"] == "123456789012"
    assert identity["sourceIp"] == "127.0.0.1"
    assert identity["caller"] == identity["user"]


def test_the_event_has_the_time_as_text_and_as_milliseconds() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    context = event_of(signed())["requestContext"]
    requested_at = datetime.strptime(context["requestTime"], "%d/%b/%Y:%H:%M:%S %z")
    assert requested_at.timestamp() == context["requestTimeEpoch"] // 1000
    assert before <= requested_at <= datetime.now(UTC)


def test_the_event_has_neither_signature_nor_headers_of_the_connection() -> None:
    """API Gateway drops `Authorization` where IAM has used it."""
    of_it = ("Connection", "Expect", "Keep-Alive", "Proxy-Authenticate", "TE", "Trailer", "Upgrade")
    passed = event_of(signed(headers=dict.fromkeys(of_it, "x"), body=b"{}"))["headers"]
    names = {name.lower() for name in passed}
    assert names.isdisjoint({"authorization", "content-length", *map(str.lower, of_it)})


def test_absent_parts_of_a_request_are_null() -> None:
    event = event_of(signed())
    absent = ("body", "queryStringParameters", "multiValueQueryStringParameters")
    assert [event[name] for name in absent] == [None, None, None]


@pytest.mark.parametrize(
    "name", ["..%2Fdemo", "%2e%2e", "..", "a%0d%0ab", "d%C3%A9mo", "%64emo", "A"]
)
def test_the_path_parameter_keeps_its_percent_encoding(name: str) -> None:
    """A REST API leaves path parameters encoded, so that a policy and a function see the same."""
    event = event_of(signed(target=f"/v1/vntana/{name}/token"))
    assert event["pathParameters"] == {"connection": name}
    assert event["path"] == f"/v1/vntana/{name}/token"


def test_a_trailing_slash_leads_to_the_same_route() -> None:
    """The event's path keeps it."""
    event = event_of(signed("GET", "/v1/vntana/demo/"))
    assert event["path"] == "/v1/vntana/demo/"
    assert event["resource"] == "/v1/vntana/{connection}"
    assert event["pathParameters"] == {"connection": "demo"}


def test_each_request_has_unique_ids() -> None:
    """The response's headers have the same ids."""
    answer = gateway(echo).answer(signed())
    context = json.loads(answer.body)["event"]["requestContext"]
    assert dict(answer.headers)["x-amzn-RequestId"] == context["requestId"]
    assert dict(answer.headers)["x-amz-apigw-id"] == context["extendedRequestId"]
    assert event_of(signed())["requestContext"]["requestId"] != context["requestId"]


def test_a_binary_body_is_passed_on_as_text() -> None:
    """Without binary media types, API Gateway decodes every body as text."""
    assert event_of(signed(body=b"\xff{"))["body"] == "\ufffd{"


# The answer


def answer_to(value: Any) -> HttpResponse:
    return gateway(lambda _event, _context: value).answer(signed())


def test_the_response_of_the_function_is_passed_on() -> None:
    answer = answer_to(
        {
            "statusCode": 429,
            "headers": {
                "retry-after": "3",
                "content-type": "application/problem+json",
                "x-two": "replaced by the several",
                "x-true": True,
            },
            "multiValueHeaders": {"x-two": ["a", "b"]},
            "body": "{}",
        }
    )
    headers = [*answer.headers]
    assert (answer.status, answer.body) == (429, b"{}")
    assert ("retry-after", "3") in headers
    assert [value for name, value in headers if name == "x-two"] == ["a", "b"]
    assert [value for name, value in headers if name.lower() == "content-type"] == [
        "application/problem+json"
    ]
    assert ("x-true", "true") in headers


@pytest.mark.parametrize(
    "name", ["connection", "Content-Length", "Date", "SERVER", "transfer-encoding"]
)
def test_a_header_of_the_connection_is_renamed(name: str) -> None:
    """A function may not set it; its name has any case."""
    headers = answer_to({"headers": {name: "7"}}).headers
    assert [pair for pair in headers if pair[1] == "7"] == [(f"x-amzn-Remapped-{name}", "7")]


def test_a_response_is_an_empty_200_of_json_but_for_what_the_function_says() -> None:
    answer = answer_to({})
    assert (answer.status, answer.body) == (200, b"")
    assert ("Content-Type", "application/json") in answer.headers
    assert answer_to({"body": "aGk=", "isBase64Encoded": True}).body == b"hi"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([], id="no object"),
        pytest.param({"status": 200}, id="an unknown member"),
        pytest.param({"statusCode": "ok"}, id="a status that is no number"),
        pytest.param({"statusCode": [200]}, id="a status that is a list"),
        pytest.param({"statusCode": 199}, id="a status below a final one"),
        pytest.param({"statusCode": 600}, id="a status that there is not"),
        pytest.param({"body": {"a": 1}}, id="a body that is no text"),
        pytest.param({"body": "%", "isBase64Encoded": True}, id="a body that is not base64"),
        pytest.param({"headers": {"a": 1}}, id="a header that is a number"),
        *({"headers": {"a": f"b{character}c"}} for character in "\r\n\0"),
        *({"headers": {f"a{character}b": "c"}} for character in "\r\n\0"),
        *({"multiValueHeaders": {"a": ["b", f"c{character}"]}} for character in "\r\n\0"),
        pytest.param({"headers": []}, id="headers that are a list"),
        pytest.param({"multiValueHeaders": {"a": "b"}}, id="several values that are one"),
    ],
)
def test_a_malformed_response_is_a_502(value: Any) -> None:
    """API Gateway shows nothing of what it cannot use."""
    answer = answer_to(value)
    assert answer.status == 502
    assert message(answer) == "Internal server error"
    assert dict(answer.headers)["x-amzn-ErrorType"] == "InternalServerErrorException"


def test_an_exception_of_the_function_is_a_502() -> None:
    """The response does not show the exception."""

    def fail(*_: Any) -> Any:
        raise ValueError("s3cret")

    answer = gateway(fail).answer(signed())
    assert (answer.status, message(answer)) == (502, "Internal server error")


@pytest.mark.parametrize(
    ("limits", "status", "text"),
    [
        (["timeout"], 502, "Internal server error"),
        (["patience"], 504, "Endpoint request timed out"),
        (["timeout", "patience"], 502, "Internal server error"),
    ],
)
def test_a_function_beyond_its_timeout_is_a_502_or_504(
    limits: list[str], status: int, text: str
) -> None:
    """502 where Lambda's timeout ends it, 504 where that of API Gateway does before."""
    is_over = threading.Event()
    late = gateway(lambda *_: is_over.wait(PATIENCE_SECONDS), **dict.fromkeys(limits, 0.05))
    answer = late.answer(signed())
    is_over.set()
    assert (answer.status, message(answer)) == (status, text)


def test_an_event_larger_than_lambdas_limit_is_a_413(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's limit is below API Gateway's."""
    assert invocations.PAYLOAD_LIMIT == 6_291_456
    size = len(json.dumps(event_of(signed(body=b"x"))))
    for limit, status in ((size, 200), (size - 1, 413)):
        monkeypatch.setattr(invocations, "PAYLOAD_LIMIT", limit)
        answer = gateway(echo).answer(signed(body=b"x"))
        assert answer.status == status
    assert message(answer) == "Request Too Long"
