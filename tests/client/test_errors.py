"""Each failure has its class, the same through both entrances, and shows no secret."""

import pickle
import traceback
from typing import Any

import pytest

import token_broker_client
from tests.client.systems import MakeBroker, Serve, refused, tries
from tests.servers import Server, answer, sends
from token_broker import errors as brokers
from token_broker.handler import exception_of, http_problem
from token_broker_client import BrokerError, ConnectionHeld, Unreachable, errors
from token_broker_client.errors import LONGEST_SECONDS
from token_broker_client.functions import answered
from token_broker_client.request import problem

OURS = {"AccessDenied": (403, False), "Unreachable": (503, True), "WrongDestination": (421, False)}
CODES = [kind for kind in errors.KINDS.values() if kind.__name__ not in {*OURS, "UpstreamError"}]


def failing(error: brokers.BrokerError) -> Any:
    """Return a function that fails with *error*, as the broker's do."""

    def handler(event: Any, _: object) -> Any:
        if "requestContext" in event:
            return http_problem(error)
        raise exception_of(error)

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
    assert vars(error).items() >= known.items()
    assert (error.args, error.detail) == (("the reason",), "the reason")
    assert (error.code, error.status) == (original.code, original.status)
    assert str(error) == f"{original.code}: the reason"
    assert error.retryable is original.retryable is kind.retryable


def test_the_error_classes_are_those_of_the_broker_and_three_more() -> None:
    """With the same status and `retryable`. The docstring of the module lists all of them."""

    def tree(root: Any) -> dict[str, Any]:
        return {kind.__name__: tree(kind) for kind in root.__subclasses__()}

    ours = tree(errors.BrokerError)
    assert ours == tree(brokers.BrokerError) | {name: {} for name in OURS}
    names = sorted([*ours, *(name for kinds in ours.values() for name in kinds)])
    assert sorted(kind.__name__ for kind in errors.KINDS.values()) == names
    assert sorted(token_broker_client.__all__) == sorted(
        [*names, "Access", "Answer", "Broker", "BrokerError", "Headers"]
    )
    base = errors.BrokerError("why")
    assert (base.code, base.status, base.retryable) == ("internal", 500, False)
    for kind in errors.KINDS.values():
        theirs = getattr(brokers, kind.__name__, None)
        expected = (theirs.status, theirs.retryable) if theirs else OURS[kind.__name__]
        assert (kind.status, kind.retryable) == expected, kind
        (line,) = [
            one for one in (errors.__doc__ or "").splitlines() if f" {kind.__name__} " in f"{one} "
        ]
        assert kind is errors.UpstreamError or f" {kind.status} " in line
        assert kind.retryable == ("(retryable)" in line)

    class Unreachable(errors.Unreachable):
        """A caller's own class."""

    assert (Unreachable.status, Unreachable.retryable) == (503, True)
    assert type(BrokerError.of({"code": "unreachable"})) is errors.Unreachable


@pytest.mark.parametrize("status", [403, 418])
def test_an_unknown_error_code_raises_the_base_class(
    status: int, serve: Serve, make_broker: MakeBroker
) -> None:
    """With code, status and retryability of the newer broker."""
    novel = brokers.BrokerError("new")  # not a class: other tests ask for all there are
    vars(novel).update(code="novel", status=status)
    error = raised(make_broker(serve(failing(novel))))
    assert type(error) is BrokerError
    assert (error.code, error.status, error.retryable) == ("novel", status, False)


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


def test_a_problem_of_a_function_is_read_in_any_script() -> None:
    """Not only as this version of the broker writes it, which escapes all but ASCII."""
    message = '{"code": "connection_held", "detail": "gehört Łukasz"}'
    with refused(ConnectionHeld, "gehört Łukasz"):
        answered({"errorMessage": message}, has_failed=True)


@pytest.mark.parametrize("status", [200, 502])
@pytest.mark.parametrize(
    "body", ["[]", '"s3cret"', "null", "no json", "<html>s3cret</html>", "[" * 100_000], ids=len
)
def test_a_body_that_is_not_a_json_object_is_unreachable(
    body: str, status: int, make_broker: MakeBroker, server: Server
) -> None:
    server.behaviour = sends(answer(body.encode(), status=f"{status} X"))
    error = raised(make_broker(server.url, tries(2)))
    assert type(error) is Unreachable
    assert "s3cret" not in "".join(traceback.format_exception(error))


def test_a_refused_tcp_connection_is_unreachable(make_broker: MakeBroker) -> None:
    """The text names the address, and nothing else."""
    error = raised(make_broker("http://127.0.0.1:9", tries(2)))
    assert error.detail == "127.0.0.1:9: NewConnectionError"
    assert type(error) is Unreachable
    assert error.retryable
    assert "Bearer" not in "".join(traceback.format_exception(error))


def test_an_error_can_be_pickled() -> None:
    """With all its members, as for a worker of a process pool."""
    error = BrokerError.of({"code": "upstream_refused", "detail": "no", "upstream_code": "X"})
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        *((None, None), (True, None), ("soon", None), (-1, 0), (0, 0), (2.5, 2.5)),
        *((10**400, LONGEST_SECONDS), (float("inf"), LONGEST_SECONDS), (float("nan"), 0)),
    ],
)
def test_an_invalid_retry_after_is_ignored(given: Any, taken: float | None) -> None:
    assert BrokerError.of({"code": "internal", "retry_after": given}).retry_after == taken


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
    assert error.retryable is retryable


def test_detail_and_status_are_those_of_the_response() -> None:
    error = BrokerError.of({"code": "internal", "detail": 5, "status": 599})
    assert (error.detail, error.status) == ("5", 599)


@pytest.mark.parametrize("document", [{"code": 5}, {"detail": "no"}, [], "internal", None])
def test_a_document_without_a_valid_code_is_not_a_problem(document: Any) -> None:
    assert problem(document) is None
