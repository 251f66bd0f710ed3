"""Each failure has its class, the same through both entrances, and shows no secret."""

import json
import pickle
import traceback
from typing import Any

import boto3
import pytest

import token_broker_client
from tests.client.systems import Entrance, MakeBroker, Serve, refused, tries
from tests.servers import Server, answer, sends
from token_broker import errors as brokers
from token_broker import events
from token_broker.handler import http_problem, named
from token_broker_client import Broker, BrokerError, Unreachable, errors
from token_broker_client.cache import Cache
from token_broker_client.functions import answered
from token_broker_client.request import problem

OURS = {"AccessDenied": (403, False), "Unreachable": (503, True), "WrongDestination": (421, False)}
CODES = [kind for kind in errors.kinds() if kind.__name__ not in {*OURS, "UpstreamError"}]


def failing(error: brokers.BrokerError) -> Any:
    """Return a function that fails with *error*, as the broker's do."""

    def handler(event: Any, _: object) -> Any:
        if events.is_http(event):
            return http_problem(error)
        raise named(error)

    return handler


def raised(broker: Any) -> BrokerError:
    """Return what asking for a token raises."""
    with pytest.raises(BrokerError) as caught:
        broker.vntana("acme")
    return caught.value


@pytest.mark.parametrize("kind", CODES)
def test_each_error_code_has_a_class(
    kind: type[BrokerError], serve: Serve, make_broker: MakeBroker
) -> None:
    """With all members of the broker's error."""
    known = {
        "retry_after": 17,
        "upstream_status": 403,
        "upstream_code": "CLIENT_BLOCKED",
        "upstream_message": "blocked since Monday",
    }
    original = getattr(brokers, kind.__name__)("the reason", **known)
    error = raised(make_broker(serve(failing(original)), tries(1)))
    assert type(error) is kind
    assert {name: vars(error)[name] for name in known} == known
    assert (error.detail, error.code, error.status) == (
        "the reason",
        original.code,
        original.status,
    )
    assert str(error) == f"{original.code}: the reason"
    assert error.args == ("the reason",)
    assert error.retryable is original.retryable is kind.retryable


def test_the_error_classes_are_those_of_the_broker_and_three_more() -> None:
    """With the same status and `retryable`."""

    def tree(root: Any) -> dict[str, Any]:
        return {kind.__name__: tree(kind) for kind in root.__subclasses__()}

    ours = tree(errors.BrokerError)
    assert {name for name in ours if name not in tree(brokers.BrokerError)} == OURS.keys()
    assert {name: ours[name] for name in ours if name not in OURS} == tree(brokers.BrokerError)
    below = [name for kinds in ours.values() for name in kinds]
    names = sorted([*ours, *below])
    assert sorted(kind.__name__ for kind in errors.kinds()) == names
    assert sorted(token_broker_client.__all__) == sorted(
        [*names, "Access", "Answer", "Broker", "BrokerError", "Headers"]
    )
    base = errors.BrokerError("why")
    assert (base.code, base.status, base.retryable) == ("internal", 500, False)
    for kind in errors.kinds():
        theirs = getattr(brokers, kind.__name__, None)
        expected = (theirs.status, theirs.retryable) if theirs else OURS[kind.__name__]
        assert (kind.status, kind.retryable) == expected, kind


@pytest.mark.parametrize("status", [403, 418])
def test_an_unknown_error_code_raises_the_base_class(
    status: int, serve: Serve, make_broker: MakeBroker
) -> None:
    """With code, status and retryability of the newer broker."""
    novel = brokers.BrokerError("new")
    vars(novel).update(
        code="novel", status=status
    )  # not a class: other tests ask for all there are
    error = raised(make_broker(serve(failing(novel))))
    assert type(error) is BrokerError
    assert (error.code, error.status, error.retryable) == ("novel", status, False)


def test_a_retryable_error_is_retried(serve: Serve, make_broker: MakeBroker) -> None:
    """As long as patience lasts."""
    calls: list[Any] = []

    def handler(event: Any, context: Any) -> Any:
        calls.append(event)
        if len(calls) < 3:
            return failing(brokers.RefreshInProgress("busy"))(event, context)
        status = {"forgotten": 3}
        return {"statusCode": 200, "body": json.dumps(status)} if events.is_http(event) else status

    assert make_broker(serve(handler)).forget("vntana", "acme") == 3
    assert len(calls) == 3


def test_a_crash_of_the_function_is_unreachable(serve: Serve, make_broker: MakeBroker) -> None:
    """The text of the crash is not passed on."""

    def crash(_event: Any, _context: Any) -> Any:
        raise ValueError("s3cret")

    error = raised(make_broker(serve(crash), tries(2)))
    assert type(error) is Unreachable
    assert error.retryable
    assert "s3cret" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"errorType": "Sandbox.Timedout", "errorMessage": "s3cret"}, "Sandbox.Timedout"),
        ({"errorType": "Runtime.ExitError"}, "Runtime.ExitError"),
        ({"errorType": "x" * 101}, "x" * 100),
        ({"errorType": None}, "no reason is given"),
        ({"forgotten": 1}, "no reason is given"),
        (["s3cret"], "no reason is given"),
        (None, "no reason is given"),
    ],
)
def test_a_failed_invocation_is_named_by_its_error_type(document: Any, name: str) -> None:
    """Without the message; the payload of a failed invocation is never an answer."""
    with refused(Unreachable, f"the function failed: {name}"):
        answered(document, has_failed=True)


@pytest.mark.parametrize("body", ["[]", '"token"', "null", "no json", "[" * 100_000], ids=len)
def test_a_body_that_is_not_a_json_object_is_unreachable(
    body: str, serve: Serve, make_broker: MakeBroker
) -> None:
    def handler(event: Any, _: object) -> Any:
        return {"statusCode": 200, "body": body} if events.is_http(event) else body

    broker = make_broker(serve(handler), tries(2))
    assert type(raised(broker)) is Unreachable
    with pytest.raises(Unreachable):
        broker.status("vntana", "acme")


@pytest.mark.parametrize("status", [200, 502])
def test_an_html_body_is_unreachable(
    status: int, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(sends(answer(b"<html>s3cret</html>", status=f"{status} X")))
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
    for broker, message in (
        (
            Broker.from_url(server.url, session=session),
            f"API Gateway answered {status}, not the broker",
        ),
        (Broker.from_function("token-broker", session=session), ""),
    ):
        error = raised(Broker(broker._channel, tries(2), Cache()))
        assert type(error) is Unreachable
        assert error.detail.startswith(message)
        assert "s3cret" not in "".join(traceback.format_exception(error))
    server.close()


def test_a_refused_tcp_connection_is_unreachable(
    entrance: Entrance, make_broker: MakeBroker
) -> None:
    """The text names the address, and nothing else."""
    error = raised(make_broker("http://127.0.0.1:9", tries(2)))
    where = {"url": "the API at 127.0.0.1:9", "function": "Lambda"}[entrance]
    assert error.detail == f"{where}: ConnectionError"
    assert type(error) is Unreachable
    assert error.retryable
    assert "Bearer" not in "".join(traceback.format_exception(error))


def test_an_error_can_be_pickled() -> None:
    """With all its members, as for a worker of a process pool."""
    error = BrokerError.of({"code": "upstream_refused", "detail": "no", "upstream_code": "X"})
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("retry_after", [None, True, "soon", -1, 0, 2.5])
def test_an_invalid_retry_after_is_ignored(retry_after: Any) -> None:
    error = BrokerError.of({"code": "internal", "retry_after": retry_after})
    assert error.retry_after == (
        retry_after if retry_after in (0, 2.5) else 0 if retry_after == -1 else None
    )


@pytest.mark.parametrize(
    ("code", "members", "retryable"),
    [
        ("internal", {"retryable": True}, True),
        ("refresh_in_progress", {"retryable": False}, False),
        ("refresh_in_progress", {"retryable": "yes"}, False),
        ("refresh_in_progress", {}, True),
        ("internal", {}, False),
    ],
)
def test_retryable_in_the_response_overrides_the_error_class(
    code: str, members: dict[str, Any], retryable: bool
) -> None:
    error = BrokerError.of({"code": code} | members)
    assert (error.detail, error.status) == ("", type(error).status)
    other = BrokerError.of({"code": code, "detail": 5, "status": 599})
    assert (other.detail, other.status) == ("5", 599)
    assert error.retryable is retryable


@pytest.mark.parametrize("document", [{"code": 5}, {"detail": "no"}, [], "internal", None])
def test_a_document_without_a_valid_code_is_not_a_problem(document: Any) -> None:
    assert problem(document) is None
