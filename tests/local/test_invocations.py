"""Lambda's Invoke API, called with boto3."""

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.local.callers import client, signed
from tests.waiting import PATIENCE_SECONDS
from token_broker_local.gateway import Gateway

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

Serve = Callable[[Callable[[Any, Any], Any]], int]
NAME = "token-broker-vntana"


def lambdas(port: int) -> "LambdaClient":
    made: LambdaClient = client("lambda", f"http://127.0.0.1:{port}")
    return made


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        f"arn:aws:lambda:eu-west-1:123456789012:function:{NAME}",
        f"123456789012:function:{NAME}",
        f"{NAME}:live",
    ],
)
def test_invoke_returns_the_result_of_the_function(serve: Serve, name: str) -> None:
    """By name, by full or partial ARN, and by alias."""
    port = serve(lambda event, context: [event, context.function_name])
    answer = lambdas(port).invoke(FunctionName=name, Payload=b'{"connection": "acme"}')
    assert json.load(answer["Payload"]) == [{"connection": "acme"}, NAME]
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer


def test_an_exception_of_the_function_is_marked_as_function_error(serve: Serve) -> None:
    """By its class, which Step Functions catch. The call itself succeeds."""

    def fail(*_: Any) -> Any:
        raise LookupError("not there")

    answer = lambdas(serve(fail)).invoke(FunctionName=NAME, Payload=b"{}")
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    problem = json.load(answer["Payload"])
    assert (problem["errorType"], problem["errorMessage"]) == ("LookupError", "not there")
    assert len(problem["requestId"]) == 36
    assert ["in fail" in line for line in problem["stackTrace"]] == [True]


def test_an_asynchronous_invocation_returns_at_once(serve: Serve) -> None:
    goes_on, done = threading.Event(), threading.Event()

    def wait(*_: Any) -> Any:
        goes_on.wait(PATIENCE_SECONDS)
        done.set()

    answer = lambdas(serve(wait)).invoke(FunctionName=NAME, InvocationType="Event", Payload=b"{}")
    assert answer["StatusCode"] == 202
    assert not done.is_set()
    goes_on.set()
    assert done.wait(PATIENCE_SECONDS)


def test_a_dry_run_does_not_call_the_function(serve: Serve) -> None:
    """It only checks the permission. A missing payload is an empty object, as at AWS."""
    called: list[Any] = []
    service = lambdas(serve(lambda event, _: called.append(event)))
    answer = service.invoke(FunctionName=NAME, InvocationType="DryRun", Payload=b"[]")
    assert answer["StatusCode"] == 204
    service.invoke(FunctionName=NAME)
    assert called == [{}]


def test_an_unknown_function_is_not_found(serve: Serve) -> None:
    """With the error that boto3 maps to an exception."""
    service = lambdas(serve(lambda *_: None))
    with pytest.raises(service.exceptions.ResourceNotFoundException, match="function:other"):
        service.invoke(FunctionName="other", Payload=b"{}")


@pytest.mark.parametrize(
    ("payload", "how", "code"),
    [
        (b"{", "RequestResponse", "InvalidRequestContentException"),
        (b"[" * 100_000, "RequestResponse", "InvalidRequestContentException"),
        (b'"' + b"x" * 6_291_455 + b'"', "RequestResponse", "RequestTooLargeException"),
        (b"{}", "Later", "InvalidParameterValueException"),
    ],
)
def test_an_invalid_call_has_lambdas_error_code(
    serve: Serve, payload: bytes, how: Any, code: str
) -> None:
    """The function is not called."""
    with pytest.raises(ClientError) as caught:
        lambdas(serve(lambda *_: None)).invoke(
            FunctionName=NAME, InvocationType=how, Payload=payload
        )
    assert caught.value.response["Error"]["Code"] == code


def test_an_event_of_six_megabytes_is_taken(serve: Serve) -> None:
    """One byte more is refused, as above."""
    whole = b'"' + b"x" * 6_291_454 + b'"'
    answer = lambdas(serve(lambda event, _: len(event))).invoke(FunctionName=NAME, Payload=whole)
    assert json.loads(answer["Payload"].read()) == 6_291_454


def test_a_signature_for_the_api_is_invalid_for_lambda() -> None:
    """The service is part of the signature's scope."""
    path = f"/2015-03-31/functions/{NAME}/invocations"
    answer = Gateway({}).answer(signed("POST", path))
    assert answer.status == 403
    assert b"correct service: 'lambda'" in answer.body
