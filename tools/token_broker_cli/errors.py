"""The errors of commands: one line, and advice.

Texts of libraries are not shown: some repeat what was sent. AWS's refusals are, as they name the
missing permission and nothing else.
"""

from collections.abc import Mapping
from typing import Any

USAGE, FAILURE, INTERRUPTED = 2, 1, 130
"""Exit codes; 0 is success."""

ADVICE = {
    "invalid_request": "Correct what it names.",
    "unknown_connection": "Add it with `token-broker connect {about}`; `token-broker connections` "
    "lists what there is.",
    "connection_held": "`token-broker status {about}` says who holds it; "
    "`token-broker lift {about}` ends that.",
    "too_many_requests": "Wait, then run the command again. A token that works needs no --force.",
    "not_configured": "Correct the secret with `token-broker connect {about}`.",
    "internal": "A defect: the function's log has more, under the request id.",
    "credential_rejected": "Store the right credentials with `token-broker connect {about}`; "
    "these are not tried again.",
    "credential_latched": "Store new credentials with `token-broker connect {about}`. If it "
    "was the vendor's mistake, `token-broker forget {about}` has them tried once more.",
    "upstream_refused": "The vendor decides: check the account's rights, subscription and "
    "permitted addresses.",
    "upstream_contract_changed": "The vendor changed something: see docs/upstreams/.",
    "upstream_unavailable": "The vendor is down, or out of reach: try again in a while.",
    "refresh_in_progress": "Somebody else is renewing: ask again in a moment.",
    "store_unavailable": "See whether DynamoDB and KMS work: `token-broker doctor`.",
    "conflict": "See what it is now, then run the command again.",
    "access_denied": "See who you are and what you may do: `token-broker doctor`.",
    "unreachable": "See whether the address and the network are right: `token-broker doctor`.",
}

DENIED: tuple[str, ...] = (
    "AccessDenied",
    "UnrecognizedClient",
    "ExpiredToken",
    "InvalidSignature",
    "NotAuthorized",
)
DENIED += ("InvalidClientTokenId", "SignatureDoesNotMatch")


SETTINGS = {
    "NoRegionError": ("no region is set", "Name one: --region, or AWS_REGION."),
    "InvalidRegionError": ("there is no such region", "See --region."),
    "ProfileNotFound": ("there is no such profile in your AWS configuration", "See --profile."),
}
"""botocore's errors of a setting: what is wrong, and the advice."""


class CommandError(Exception):
    """A command failed. Its text has no secret."""

    def __init__(
        self,
        code: str,
        detail: str,
        advice: str = "",
        *,
        exit_code: int = FAILURE,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.advice = advice or ADVICE.get(code, "")
        self.exit_code = exit_code
        self.facts = {k: v for k, v in (facts or {}).items() if v is not None}

    def document(self) -> dict[str, Any]:
        """Return this error as JSON has it."""
        return {"code": self.code, "detail": self.detail, "advice": self.advice} | self.facts

    def about(self, flow: str | None, name: str | None) -> "CommandError":
        """Put the connection into the advice."""
        named = f"{flow} {name}" if name else "FLOW NAME"
        self.advice = self.advice.replace("{about}", named)
        return self


def usage(detail: str, advice: str = "") -> CommandError:
    """Return the error for an invalid command line or setting."""
    return CommandError("usage", detail, advice, exit_code=USAGE)


def interrupted(*, changes: bool) -> CommandError:
    """Return the error for Ctrl-C; *changes*: a change may be under way."""
    detail = "ended by Ctrl-C" + ("; what was asked for may have been done" if changes else "")
    return CommandError("interrupted", detail, exit_code=INTERRUPTED)


def command_error(error: BaseException) -> CommandError:
    """Return *error* as a `CommandError`."""
    if isinstance(error, CommandError):
        return error
    if hasattr(error, "code") and hasattr(error, "detail"):
        return _broker(error)
    if error.__class__.__module__.startswith("botocore."):
        return _aws(error)
    # What it says may hold anything, so only its name is shown.
    return CommandError(
        "internal", f"a defect of this command ({type(error).__name__})", "Report it."
    )


def _broker(error: Any) -> CommandError:
    names = ("retryable", "retry_after", "upstream_status", "upstream_code")
    return CommandError(
        error.code, error.detail, facts={name: getattr(error, name, None) for name in names}
    )


def _aws(error: Any) -> CommandError:
    """Return the error for botocore's *error*."""
    name = type(error).__name__
    # Those of the network have a response, too, which is None.
    if getattr(error, "response", None) is not None:
        return _refusal(error.response.get("Error", {}), error.operation_name)
    if name in SETTINGS:
        return usage(*SETTINGS[name])
    if "Credential" in name or "Token" in name or "SSO" in name:
        return CommandError("access_denied", f"the AWS credentials cannot be obtained ({name})")
    if {one.__name__ for one in type(error).__mro__} & {"ConnectionError", "HTTPClientError"}:
        return CommandError("unreachable", f"AWS does not answer ({name})")
    return CommandError("aws_failed", f"AWS was not asked: {name}", "Run `token-broker doctor`.")


def _refusal(details: Mapping[str, str], operation: str) -> CommandError:
    code = details.get("Code", "unknown")
    if code.startswith(DENIED):
        return CommandError(
            "access_denied", f"AWS refused {operation}: {details.get('Message') or code}"
        )
    if code == "InvalidRequestException" and operation.endswith("SecretValue"):
        detail = f"AWS refused {operation}: the secret is scheduled for deletion"
        return CommandError("aws_failed", detail, "Restore it: aws secretsmanager restore-secret.")
    return CommandError("aws_failed", f"AWS answered {operation} with {code}", f"Look up {code}.")
