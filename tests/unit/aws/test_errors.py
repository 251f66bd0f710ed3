"""The meaning of AWS's errors: an expected result, a wrong setting, or an outage."""

import pytest

from token_broker.aws.errors import is_expected, is_final, unavailable
from token_broker.aws.operations import AwsRefusal
from token_broker.errors import BrokerError, Internal, NotConfigured, StoreUnavailable

RESOURCES = {
    **dict.fromkeys(
        ("get_item", "batch_get_item", "query", "update_item"), ("the table", "TABLE_NAME")
    ),
    **dict.fromkeys(("encrypt", "decrypt"), ("the key", "KEY_ID")),
    **dict.fromkeys(("get_secret_value", "describe_secret"), ("the secret", "STAGE")),
    "invoke": ("the function itself", "its permission"),
    "put_events": ("the bus", "EVENT_BUS_NAME"),
}
SETTINGS = [
    *("AccessDeniedException", "AccessDenied", "ResourceNotFoundException"),
    *("UnrecognizedClientException", "ExpiredTokenException", "NotFoundException"),
    *("DisabledException", "KMSInvalidStateException", "InvalidKeyUsageException"),
    "DecryptionFailure",
]
SIGNATURES = [
    *("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature"),
    *("IncompleteSignatureException", "RequestTimeTooSkewed", "RequestExpired"),
]


def error_of(code: str, operation: str) -> tuple[type[BrokerError], str, int | None]:
    found = unavailable(AwsRefusal(code, "quotes hunter2"), operation)
    return type(found), found.detail, found.retry_after


@pytest.mark.parametrize("operation", RESOURCES)
def test_a_wrong_setting_is_named_and_not_retryable(operation: str) -> None:
    what, setting = RESOURCES[operation]
    for code in SETTINGS:
        detail = f"{setting}: {what} cannot be used ({code})"
        assert error_of(code, operation) == (NotConfigured, detail, None)


def test_a_wrong_signature_names_credentials_and_clock() -> None:
    for code in SIGNATURES:
        detail = f"credentials or clock: the table refuses what they sign ({code})"
        assert error_of(code, "query") == (NotConfigured, detail, None)


def test_any_other_error_is_a_retryable_outage() -> None:
    for code in ("ThrottlingException", "ConditionalCheckFailedException", "accessdenied"):
        detail = f"the table cannot be reached ({code})"
        assert error_of(code, "update_item") == (StoreUnavailable, detail, 1)


def test_a_recursion_detected_by_lambda_is_an_internal_error() -> None:
    detail = "recursion detection refused that the function invokes itself once more"
    assert error_of("RecursiveInvocationException", "invoke") == (Internal, detail, None)


EXPECTED = {
    "update_item": ["ConditionalCheckFailedException"],
    "get_secret_value": ["ResourceNotFoundException", "InvalidRequestException"],
    "describe_secret": ["ResourceNotFoundException", "InvalidRequestException"],
    "decrypt": ["InvalidCiphertextException", "IncorrectKeyException"],
}
CODES = sorted({code for codes in EXPECTED.values() for code in codes} | {"ThrottlingException"})


@pytest.mark.parametrize("operation", RESOURCES)
def test_an_expected_error_of_an_operation_is_a_result(operation: str) -> None:
    found = [code for code in CODES if is_expected(AwsRefusal(code, ""), operation)]
    assert found == sorted(EXPECTED.get(operation, []))


def test_an_error_that_boto3_would_meet_as_well_is_final() -> None:
    """An expected one is, too. For other credentials or after a pause, boto3 may succeed."""
    final = {*SETTINGS, "RecursiveInvocationException"}
    final -= {"UnrecognizedClientException", "ExpiredTokenException"}
    for code in (*final, *SETTINGS, *SIGNATURES, "ThrottlingException"):
        assert is_final(AwsRefusal(code, ""), "encrypt") is (code in final)
    for operation, codes in EXPECTED.items():
        assert all(is_final(AwsRefusal(code, ""), operation) for code in codes)


@pytest.mark.parametrize(
    ("operation", "message", "is_answer"),
    [
        ("decrypt", "The ciphertext refers to a customer master key that does not exist", True),
        ("decrypt", "User: arn is not authorized to perform: kms:Decrypt", False),
        ("encrypt", "The key does not exist", False),
    ],
)
def test_a_ciphertext_of_a_missing_key_does_not_open(
    operation: str, message: str, is_answer: bool
) -> None:
    """KMS reports it with the code of a missing permission."""
    assert is_expected(AwsRefusal("AccessDeniedException", message), operation) is is_answer
