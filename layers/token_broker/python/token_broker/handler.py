"""The handler of a function: it reads an event, calls the broker, and returns and logs the result.

API Gateway gets an HTTP response, and a failure as a problem (RFC 9457). A direct invocation gets
the answer itself; a failure is raised, as an exception with the name of the error.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from token_broker import events
from token_broker.aws import clients
from token_broker.broker import Answer, Broker
from token_broker.dependencies import Dependencies
from token_broker.errors import BrokerError, Internal
from token_broker.events import Command, Origin
from token_broker.item import rfc3339
from token_broker.telemetry import Telemetry, unlike_a_crash
from token_broker.tokens import TokenRequest

SLOW_MILLISECONDS = 100
"""An answer without an exchange that takes longer counts as slow: docs/operations.md."""

SERVER_ERROR = 500
"""Failures with this status or a higher one are not the caller's mistake."""

ANSWER_SECONDS = 0.5
"""Part of an invocation's time that is reserved for the runtime to send the answer."""


class Context(Protocol):
    """The members of Lambda's context object that are used."""

    @property
    def aws_request_id(self) -> str:
        """The id of this invocation in the log."""

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN, with the alias by which it was called."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still take."""


class Service:
    """One flow's function."""

    def __init__(
        self,
        broker: Broker,
        telemetry: Telemetry,
        prefix: str,
        remember_arn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._broker = broker
        self._telemetry = telemetry
        self._prefix = prefix
        self._remember_arn = remember_arn
        self._is_cold = True

    @property
    def deps(self) -> Dependencies:
        """What the broker works with."""
        return self._broker.deps

    def use(self, deps: Dependencies) -> None:
        """Work with other *deps* from now on: with another clock, in a test."""
        self._broker = Broker(deps)

    def __call__(self, event: Any, context: Context) -> Any:
        """Answer *event*. If a direct invocation fails, raise an exception named as the error."""
        self._remember_arn(context.invoked_function_arn)
        if self._is_cold:
            self._is_cold = False
            self._telemetry.emit("cold start")
        origin = events.origin_of(event, context.invoked_function_arn)
        is_http = origin.entrance == "api"
        try:
            answer = self._guarded(event, origin, context)
        except BrokerError as error:
            call = events.described(event, origin)
            self._emit_failure(error, call, context.aws_request_id)
            failure = http_problem(error) if is_http else exception_of(error)
        else:
            return http_response(200, answer) if is_http else answer
        # Not within `except`: the context of the exception would have the error and its frames.
        if isinstance(failure, Exception):
            raise failure
        return failure

    def _emit_failure(self, error: BrokerError, call: Mapping[str, str], request_id: str) -> None:
        """Log the failure of *call*. Count a call for a token that the broker failed."""
        emit = self._telemetry.emit
        message = {"upstream_message": words} if (words := error.upstream_message) else {}
        said = {"code": error.code, "detail": error.detail} | message
        emit("failure", **said, **call, request_id=request_id)
        if call.get("action") == "token" and error.status >= SERVER_ERROR:
            emit("unanswered", code=error.code, request_id=request_id)

    def _guarded(self, event: Any, origin: Origin, context: Context) -> dict[str, Any]:
        """Carry out *event*. An exception that is not a `BrokerError` is logged as a defect."""
        began = self.deps.clock.monotonic()
        try:
            command = self._command(event, origin)
            left = context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS
            with clients.until(left):
                return self._carry_out(command, began, began + left, context.aws_request_id)
        except BrokerError:
            raise
        except Exception as error:  # noqa: BLE001 (the only catch-all: callers see an id, the log the stack)
            request_id = context.aws_request_id
            self._telemetry.defect(error, request_id)
            raise Internal(f"a defect; see the log of request {request_id}") from None

    def _command(self, event: Any, origin: Origin) -> Command:
        if origin.entrance == "api":
            return events.http_command(event, origin, self.deps.flow.name)
        if origin.entrance == "event":
            from token_broker.rotation_events import rotation_command  # noqa: PLC0415 (off the hit path)

            return rotation_command(event, origin, self._prefix)
        return events.direct_command(event, origin)

    def _carry_out(
        self, command: Command, began: float, deadline: float, request_id: str
    ) -> dict[str, Any]:
        if command.action == "token":
            request = self._request(command)
            answer = self._broker.token(command.connection, request, deadline)
            self._audit(command, answer, began, request_id)
            return token_body(command, self.deps.flow.name, answer)
        from token_broker.actions import act  # noqa: PLC0415 (off the hit path)

        return act(self.deps, command, began, deadline, request_id)

    def _request(self, command: Command) -> TokenRequest:
        body = command.body
        min_ttl = body.seconds("min_ttl", least=0)
        rejected = events.formed(body, "rejected")
        force = body.boolean("force", default=False)
        variant = self.deps.flow.requested(body)
        body.finish()
        reported = frozenset({rejected} if rejected else ())
        return TokenRequest(variant, min_ttl, reported, force)

    def _audit(self, command: Command, answer: Answer, began: float, request_id: str) -> None:
        """Write the audit line: which caller was given which token, by its fingerprint."""
        item = answer.item
        milliseconds = self.deps.clock.milliseconds_since(began)
        self._telemetry.emit(
            "hand-out",
            connection=command.connection,
            variant=item.variant,
            generation=item.generation,
            fingerprint=item.fingerprint,
            source=answer.source,
            stale=answer.stale,
            slow=answer.is_hit and milliseconds >= SLOW_MILLISECONDS,
            **command.origin._asdict(),
            milliseconds=milliseconds,
            token_age=self.deps.clock.now() - item.issued_at,
            request_id=request_id,
        )


def token_body(command: Command, flow: str, answer: Answer) -> dict[str, Any]:
    """Return *answer* as a caller gets it, with all that it needs to call the vendor."""
    item, token = answer.item, answer.token
    url = {"url": token.url} if token.url else {}
    return {
        "flow": flow,
        "connection": command.connection,
        "headers": dict(token.headers),
        "base_url": token.base_url,
        **url,
        "expires_at": rfc3339(item.expires_at),
        "refresh_after": rfc3339(item.refresh_at),
        "fingerprint": item.fingerprint,
        "generation": item.generation,
        "source": answer.source,
        "stale": answer.stale,
        "context": dict(token.context),
    }


def http_response(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return *body* as a response of API Gateway, which no cache may store."""
    kind = "application/json" if status < 400 else "application/problem+json"  # noqa: PLR2004 (HTTP's)
    return {
        "statusCode": status,
        "headers": {"content-type": kind, "cache-control": "no-store"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def http_problem(error: BrokerError) -> dict[str, Any]:
    """Return *error* as a response."""
    response = http_response(error.status, error.problem())
    if error.retry_after is not None:
        response["headers"]["retry-after"] = str(error.retry_after)
    return response


def exception_of(error: BrokerError) -> Exception:
    """Return an exception of the error's name whose message is the problem, as JSON.

    Lambda reports the class's name to an invoker, so Step Functions can catch it by name. It logs
    the message, too.
    """
    kind: type[Exception] = type(type(error).__name__, (Exception,), {})
    return kind(unlike_a_crash(json.dumps(error.problem())))
