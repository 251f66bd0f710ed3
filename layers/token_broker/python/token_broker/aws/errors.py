"""What AWS's errors mean, whichever client met them. Only an error loads this module."""

from collections.abc import Mapping

from token_broker.aws.operations import OPERATIONS, AwsRefusal
from token_broker.errors import BrokerError, Internal, NotConfigured, StoreUnavailable

WRONG_SETTINGS = frozenset(
    {
        "AccessDeniedException",
        "AccessDenied",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "NotFoundException",
        "DisabledException",
        "KMSInvalidStateException",
        "InvalidKeyUsageException",
        "DecryptionFailure",
    }
)
"""Codes that no retry changes: an operator has to change a setting."""

WRONG_SIGNATURES = frozenset(
    {
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "RequestTimeTooSkewed",
        "RequestExpired",
    }
)
"""Codes for a request that was signed with other keys, or while the clock was wrong."""

WRONG_CREDENTIALS = frozenset({"UnrecognizedClientException", "ExpiredTokenException"})
"""Codes for credentials for which boto3 may know others."""

RECURSION = "RecursiveInvocationException"
"""The code of Lambda's recursion detection. No retry helps, and the store is not at fault."""

GONE = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
"""Codes for a secret that does not exist, or is scheduled for deletion."""

NOT_PERMITTED = "not authorized to perform"
"""KMS's message for a missing permission. Under the same code, AccessDeniedException, it says with
another message that the bytes name a key that does not exist."""

EXPECTED: Mapping[str, frozenset[str]] = {
    # A conditional write that lost against another.
    "update_item": frozenset({"ConditionalCheckFailedException"}),
    "get_secret_value": GONE,
    "describe_secret": GONE,
    # Bytes that our key did not encrypt, or not under this encryption context.
    "decrypt": frozenset({"InvalidCiphertextException", "IncorrectKeyException"}),
}
"""Codes that are a normal answer to an operation."""


RESOURCES: Mapping[str, tuple[str, str]] = {
    "dynamodb": ("the table", "TABLE_NAME"),
    "kms": ("the key", "KEY_ID"),
    "secretsmanager": ("the secret", "STAGE"),
    "lambda": ("the function itself", "its permission"),
    "events": ("the bus", "EVENT_BUS_NAME"),
}
"""By service, its resource, as a message names it, and the setting to look at."""


def is_expected(refusal: AwsRefusal, operation: str) -> bool:
    """Say whether *refusal* is a normal answer to *operation*."""
    code, message = refusal
    if operation == "decrypt" and code == "AccessDeniedException":
        return NOT_PERMITTED not in message
    return code in EXPECTED.get(operation, ())


def is_final(refusal: AwsRefusal, operation: str) -> bool:
    """Say whether boto3 would be refused in the same way, at its last attempt too."""
    settings = WRONG_SETTINGS - WRONG_CREDENTIALS
    return is_expected(refusal, operation) or refusal.code in {*settings, RECURSION}


def unavailable(refusal: AwsRefusal, operation: str) -> BrokerError:
    """Return what *refusal* means for *operation*, without its message: it may quote a request."""
    what, setting = RESOURCES[OPERATIONS[operation].service]
    code = refusal.code
    if code == RECURSION:
        return Internal("recursion detection refused that the function invokes itself once more")
    if code in WRONG_SIGNATURES:
        return NotConfigured(f"credentials or clock: {what} refuses what they sign ({code})")
    if code in WRONG_SETTINGS:
        return NotConfigured(f"{setting}: {what} cannot be used ({code})")
    return StoreUnavailable(f"{what} cannot be reached ({code})", retry_after=1)
