"""The errors that the broker raises, as callers see them.

* BrokerError
  x InvalidRequest              400  the caller's body, path or parameters are wrong
  x UnknownConnection           404  there is no such secret
  x ConnectionHeld              409  an operator holds the connection
  x TooManyRequests             429  forced or rejected too often for this variant
  x NotConfigured               500  the secret or the environment is wrong
  x Internal                    500  a defect of the broker
  x UpstreamError
    + CredentialRejected        502  it refused the stored credentials
    + CredentialLatched         502  it did so before; the version of the secret is not tried again
    + UpstreamRefused           502  it refused for another reason
    + UpstreamContractChanged   502  it answered, but not as documented
    + UpstreamUnavailable       503  it did not answer, or asked to wait
  x RefreshInProgress           503  another caller renews, and took longer than this one could wait
  x StoreUnavailable            503  the table cannot be reached, so exchanging would be unsafe

The name of a class names the cause, and is the `errorType` of a direct invocation. Callers see the
message: it has no secret, token, header's value or URL's query.
"""

import re
from typing import Any, ClassVar


class BrokerError(Exception):
    """Anything the broker raises on purpose. Its message is shown to the caller."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "The broker failed"
    retryable: ClassVar[bool] = False
    code: ClassVar[str] = "internal"

    def __init__(
        self,
        detail: str,
        *,
        retry_after: int | None = None,
        upstream_status: int | None = None,
        upstream_code: str | None = None,
        upstream_message: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.upstream_status = upstream_status
        self.upstream_code = upstream_code
        self.upstream_message = upstream_message
        """The vendor's own words, masked: see `token_broker.upstream_message`."""

    def __init_subclass__(cls) -> None:
        """Name the code after the class: ``InvalidRequest`` is ``invalid_request``."""
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def problem(self) -> dict[str, Any]:
        """Return this error as an RFC 9457 problem."""
        known = {"retry_after": self.retry_after, **upstream_of(self)}
        return {
            "type": f"urn:token-broker:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "retryable": self.retryable,
        } | {name: value for name, value in known.items() if value is not None}


UPSTREAM = ("upstream_status", "upstream_code", "upstream_message")
"""What an error, or a kept failure, tells of the upstream's answer."""


def upstream_of(source: object) -> dict[str, Any]:
    """Return what *source* tells of the upstream: an error, a kept failure, or None."""
    return {name: getattr(source, name, None) for name in UPSTREAM}


class InvalidRequest(BrokerError):
    """The caller's body, path or parameters are wrong. The detail names the field."""

    status = 400
    title = "The request is wrong"


class UnknownConnection(BrokerError):
    """There is no secret for this connection."""

    status = 404
    title = "There is no such connection"


class ConnectionHeld(BrokerError):
    """An operator holds the connection. The detail says since when and why."""

    status = 409
    title = "An operator holds the connection"


class TooManyRequests(BrokerError):
    """Callers, all together, forced or rejected this variant too often."""

    status = 429
    title = "Forced or rejected too often"
    retryable = True


class NotConfigured(BrokerError):
    """The secret or the environment is wrong. The detail names the key, never its value."""

    title = "The connection is not configured correctly"


class Internal(BrokerError):
    """A defect of the broker's. The log has more under the request id."""


class UpstreamError(BrokerError):
    """The vendor's side of an exchange went wrong."""

    status = 502


class CredentialRejected(UpstreamError):
    """The upstream refused the stored credentials. Trying again will not help."""

    title = "The upstream rejected the stored credentials"

    def __init__(self, detail: str, *, is_certain: bool = True, **known: Any) -> None:
        """Say whether what was answered can only be about the credentials."""
        super().__init__(detail, **known)
        self.is_certain = is_certain


class CredentialLatched(UpstreamError):
    """These credentials were refused before, and are not tried again until they change."""

    title = "The stored credentials were rejected before and have not changed"


class UpstreamRefused(UpstreamError):
    """The upstream refused for a reason other than the credentials."""

    title = "The upstream refused"


class UpstreamContractChanged(UpstreamError):
    """The upstream answered, but not as documented. The detail names the step."""

    title = "The upstream did not answer as documented"


class UpstreamUnavailable(UpstreamError):
    """The upstream did not answer, failed, or asked to wait."""

    status = 503
    title = "The upstream is unavailable"
    retryable = True


class RefreshInProgress(BrokerError):
    """Another caller is renewing this token, and it took longer than this one could wait."""

    status = 503
    title = "The token is being renewed"
    retryable = True


class StoreUnavailable(BrokerError):
    """The table cannot be reached, and exchanging without it would be unsafe."""

    status = 503
    title = "The token store is unavailable"
    retryable = True


AWS_FAILURES = (StoreUnavailable, NotConfigured)
"""Errors of the table and the key: throttled or not reached; denied, disabled or gone."""
