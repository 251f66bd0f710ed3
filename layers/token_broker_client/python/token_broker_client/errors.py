"""What can go wrong between a caller and the broker: a class for each code of the contract.

* BrokerError                        anything; also a code that this client does not know
  x InvalidRequest              400  the body, path or parameters are wrong
  x UnknownConnection           404  there is no such secret
  x ConnectionHeld              409  an operator holds the connection
  x TooManyRequests             429  forced or rejected too often for this variant      (retryable)
  x NotConfigured               500  the secret or the broker's environment is wrong
  x Internal                    500  a defect of the broker's
  x UpstreamError
    + CredentialRejected        502  the vendor refused the stored credentials
    + CredentialLatched         502  it did so before; they are not tried again until they change
    + UpstreamRefused           502  the vendor refused for another reason
    + UpstreamContractChanged   502  the vendor answered, but not as documented
    + UpstreamUnavailable       503  the vendor did not answer, or told to wait         (retryable)
  x RefreshInProgress           503  the token is being renewed, and takes long         (retryable)
  x StoreUnavailable            503  the broker's table cannot be reached               (retryable)
  x AccessDenied                403  AWS did not let the call through to the broker
  x Unreachable                 503  the broker did not answer: network, API, Lambda   (retryable)
  x WrongDestination            421  the token would have gone to another host; nothing was sent

The last three are this client's own; the rest are named after the codes of the broker's answers.
"""

import re
from collections.abc import Mapping
from typing import Any

LONGEST_SECONDS = 31_536_000.0
"""A year: a larger `retry_after` could not be added to a time."""

KINDS: dict[str, type["BrokerError"]] = {}
"""The class of each code."""


class BrokerError(Exception):
    """There is no token, and the text says why. It never holds a secret."""

    code: str = "internal"
    status: int = 500
    """The HTTP status of the broker's answer, or a fitting one."""
    retryable: bool = False
    """Whether the same call may succeed later. The client has retried until its deadline."""

    def __init__(
        self,
        detail: str,
        *,
        retry_after: float | None = None,
        upstream_status: int | None = None,
        upstream_code: str | None = None,
        upstream_message: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        """Seconds to wait before another attempt, if the broker gave them."""
        self.upstream_status = upstream_status
        self.upstream_code = upstream_code
        self.upstream_message = upstream_message
        """The vendor's message, in which the broker has masked possible secrets."""

    def __init_subclass__(cls, *, status: int = 0, retryable: bool = False) -> None:
        """Name the code after the class: ``InvalidRequest`` is ``invalid_request``."""
        cls.code = re.sub(r"\B([A-Z])", r"_\1", cls.__name__).lower()
        cls.status = status or cls.status
        cls.retryable = retryable or cls.retryable
        KINDS.setdefault(cls.code, cls)  # a caller may derive classes of its own

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    @classmethod
    def of(cls, problem: Mapping[str, Any]) -> "BrokerError":
        """Return the error for a problem (RFC 9457)."""
        code: str = problem["code"]
        kind = KINDS.get(code, cls)
        error = kind(
            str(problem.get("detail", "")),
            retry_after=number(problem.get("retry_after")),
            upstream_status=problem.get("upstream_status"),
            upstream_code=problem.get("upstream_code"),
            upstream_message=problem.get("upstream_message"),
        )
        # The broker may be newer than this client, so its values have precedence.
        error.code = code
        error.status = problem.get("status", kind.status)
        error.retryable = problem.get("retryable", kind.retryable) is True
        return error


def number(value: object) -> float | None:
    """Return *value*, from 0 to a year, if it is a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return max(0, min(value, LONGEST_SECONDS))


class InvalidRequest(BrokerError, ValueError, status=400):
    """The body, path, parameters or settings are wrong. The text names the field."""


class UnknownConnection(BrokerError, status=404):
    """There is no secret for this connection."""


class ConnectionHeld(BrokerError, status=409):
    """An operator holds the connection: there is no token until that ends. The text says why."""


class TooManyRequests(BrokerError, status=429, retryable=True):
    """Callers, all together, forced or rejected this variant too often."""


class NotConfigured(BrokerError):
    """The secret or the broker's environment is wrong. The text names the key."""


class Internal(BrokerError):
    """A defect of the broker's. Its log has more under the request id."""


class UpstreamError(BrokerError, status=502):
    """The vendor's side of an exchange went wrong."""


class CredentialRejected(UpstreamError):
    """The vendor refused the stored credentials. Trying again will not help."""


class CredentialLatched(UpstreamError):
    """These credentials were refused before, and are not tried again until they change."""


class UpstreamRefused(UpstreamError):
    """The vendor refused for a reason other than the credentials: see `upstream_code`."""


class UpstreamContractChanged(UpstreamError):
    """The vendor answered, but not as documented. The text names the step."""


class UpstreamUnavailable(UpstreamError, status=503, retryable=True):
    """The vendor did not answer, failed, or told to wait."""


class RefreshInProgress(BrokerError, status=503, retryable=True):
    """Another caller is renewing this token, and it took longer than the broker could wait."""


class StoreUnavailable(BrokerError, status=503, retryable=True):
    """The broker's table cannot be reached, and exchanging without it would be unsafe."""


class AccessDenied(BrokerError, status=403):
    """AWS did not let the call through: no credentials, a wrong signature, or no permission."""


class Unreachable(BrokerError, status=503, retryable=True):
    """The broker did not answer: the network, API Gateway or Lambda failed."""


class WrongDestination(BrokerError, status=421):
    """The request goes to another host than the vendor's. It was not sent."""
