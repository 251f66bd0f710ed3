"""The one door to AWS: what its errors mean, whichever operation they come from."""

from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from token_broker.aws.clients import EVENTS, LAST, USUAL, Timeouts, call
from token_broker.aws.errors import EXPECTED, RESOURCES
from token_broker.errors import BrokerError, NotConfigured, StoreUnavailable

CANARY = "c4nary"


class Failing:
    """A client whose every operation raises *error*."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, operation: str) -> Any:
        def fail(**_: Any) -> NoReturn:
            raise self._error

        return fail


def refusal(code: str, message: str = CANARY) -> ClientError:
    """Return the error that boto3 raises for *code*."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "operation")


def failure(operation: str, error: Exception) -> BrokerError:
    """Return what is raised when *error* answers *operation*."""
    with pytest.raises(BrokerError) as raised:
        call(lambda: Failing(error), operation)
    return raised.value


@pytest.mark.parametrize("operation", RESOURCES)
@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (refusal("ThrottlingException"), StoreUnavailable),
        (EndpointConnectionError(endpoint_url=CANARY), StoreUnavailable),
        (refusal("DisabledException"), NotConfigured),
        (refusal("RequestExpired"), NotConfigured),
        (refusal("AccessDeniedException", "is not authorized to perform c4nary"), NotConfigured),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(type(value).__name__),
)
def test_every_operation_names_its_errors_alike(
    operation: str, error: Exception, ours: type[BrokerError]
) -> None:
    """With the resource, and nothing that AWS quoted: neither in the text nor as its context."""
    raised = failure(operation, error)
    assert type(raised) is ours
    assert RESOURCES[operation].name in raised.detail
    assert CANARY not in f"{raised!r}"
    assert raised.__cause__ is raised.__context__ is None


@pytest.mark.parametrize(("timeouts", "seconds"), [(USUAL, 7.0), (EVENTS, 4.0), (LAST, 1.5)])
def test_the_worst_case_has_each_attempt_and_the_pauses_between(
    timeouts: Timeouts, seconds: float
) -> None:
    """A call is sent only if that ends within the invocation."""
    assert timeouts.worst_seconds == seconds


@pytest.mark.parametrize(
    ("operation", "code"),
    [(operation, code) for operation, codes in EXPECTED.items() for code in sorted(codes)],
)
def test_a_code_that_is_an_answer_is_no_failure(operation: str, code: str) -> None:
    """Of that operation alone: for every other one it is a failure."""
    assert call(lambda: Failing(refusal(code)), operation) is None
    assert isinstance(failure("put_events", refusal(code)), BrokerError)
