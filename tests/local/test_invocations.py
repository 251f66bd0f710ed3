"""Lambda's Invoke, as boto3 speaks it."""

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.local.callers import signed
from tests.waiting import PATIENCE_SECONDS
from token_broker_local.gateway import Gateway

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

Serve = Callable[[Callable[[Any, Any], Any]], int]
NAME = "token-broker-vntana"


def client(port: int, secret: str = "local") -> "LambdaClient":
    return boto3.client(
        "lambda",
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="local",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        f"arn:aws:lambda:eu-west-1:123456789012:function:{NAME}",
        f"123456789012:function:{NAME}",
        f"{NAME}:live",
    ],
)
def test_returns_what_the_function_returned(serve: Serve, name: str) -> None:
    """By name, by ARN whole or in part, and by an alias."""
    port = serve(lambda event, context: [event, context.function_name])
    answer = client(port).invoke(FunctionName=name, Payload=b'{"connection": "acme"}')
    assert json.load(answer["Payload"]) == [{"connection": "acme"}, NAME]
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer


def test_an_error_is_a_payload_that_is_marked(serve: Serve) -> None:
    """The call succeeded; the function did not."""

    def fail(*_: Any) -> Any:
        raise LookupError("not there")

    answer = client(serve(fail)).invoke(FunctionName=NAME, Payload=b"{}")
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    problem = json.load(answer["Payload"])
    assert (problem["errorType"], problem["errorMessage"]) == ("LookupError", "not there")


def test_an_event_is_not_waited_for(serve: Serve) -> None:
    """The function runs, while the caller goes on."""
    goes_on, done = threading.Event(), threading.Event()

    def wait(*_: Any) -> Any:
        goes_on.wait(PATIENCE_SECONDS)
        done.set()

    answer = client(serve(wait)).invoke(FunctionName=NAME, InvocationType="Event", Payload=b"{}")
    assert answer["StatusCode"] == 202
    assert not done.is_set()
    goes_on.set()
    assert done.wait(PATIENCE_SECONDS)


def test_a_dry_run_calls_nothing(serve: Serve) -> None:
    """It only says that the caller may."""
    called: list[Any] = []
    port = serve(lambda event, _: called.append(event))
    answer = client(port).invoke(FunctionName=NAME, InvocationType="DryRun", Payload=b"{}")
    assert answer["StatusCode"] == 204
    assert called == []


def test_no_payload_is_an_empty_object(serve: Serve) -> None:
    """As at AWS."""
    answer = client(serve(lambda event, _: event)).invoke(FunctionName=NAME)
    assert json.load(answer["Payload"]) == {}


def test_an_unknown_function_is_not_found(serve: Serve) -> None:
    """By the name of the error that boto3 knows."""
    lambdas = client(serve(lambda *_: None))
    with pytest.raises(lambdas.exceptions.ResourceNotFoundException, match="function:other"):
        lambdas.invoke(FunctionName="other", Payload=b"{}")


@pytest.mark.parametrize(
    ("payload", "how", "code"),
    [
        (b"{", "RequestResponse", "InvalidRequestContentException"),
        (b"[" * 100_000, "RequestResponse", "InvalidRequestContentException"),
        (b'"' + b"x" * 6_291_456 + b'"', "RequestResponse", "RequestTooLargeException"),
        (b"{}", "Later", "InvalidParameterValueException"),
    ],
)
def test_a_wrong_call_is_an_error_of_lambdas_own(
    serve: Serve, payload: bytes, how: Any, code: str
) -> None:
    """The function never sees it."""
    with pytest.raises(ClientError) as caught:
        client(serve(lambda *_: None)).invoke(
            FunctionName=NAME, InvocationType=how, Payload=payload
        )
    assert caught.value.response["Error"]["Code"] == code


def test_a_wrong_secret_is_refused(serve: Serve) -> None:
    """Lambda checks signatures as API Gateway does."""
    with pytest.raises(ClientError) as caught:
        client(serve(lambda *_: None), secret="guess").invoke(FunctionName=NAME)
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_a_signature_for_the_api_is_none_for_lambda() -> None:
    """Each service has its own scope."""
    path = f"/2015-03-31/functions/{NAME}/invocations"
    answer = Gateway({}).answer(signed("POST", path))
    assert answer.status == 403
    assert b"correct service: 'lambda'" in answer.body
