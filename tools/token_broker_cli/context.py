"""The broker, AWS and the screen for a command; each is created when it is first needed."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from token_broker_cli.errors import USAGE, CommandError, command_error, usage
from token_broker_cli.screen import Screen
from token_broker_cli.settings import LocalSystem, Settings, host_of

if TYPE_CHECKING:
    import boto3

    from token_broker_client.gateway import Gateway
    from token_broker_client.request import Action

SECONDS = 28.0
"""How long an answer of the API is waited for: it gives up itself at 29."""


class Context:
    """What commands use."""

    def __init__(self, settings: Settings, screen: Screen) -> None:
        self.settings = settings
        self.screen = screen
        self.changes = False
        """Whether something may have been changed."""

    @cached_property
    def target(self) -> dict[str, str | None]:
        """Stage and host of the broker, so that an operator notices a wrong one."""
        try:
            host = host_of(self.url)
        except Exception as error:
            if command_error(error).exit_code == USAGE:
                raise
            return {"stage": self.settings.stage, "host": None}
        return {"stage": self.settings.stage, "host": host}

    def announce(self, what: str) -> None:
        """Show the change *what* and its target, before it is made."""
        self.screen.note(f"{what} ({self.where})")

    @property
    def where(self) -> str:
        """The target, as text."""
        target = self.target
        return f"stage {target['stage']}, {target['host'] or 'address not known'}"

    def call(self, flow: str, connection: str, action: "Action", **body: Any) -> dict[str, Any]:
        """Return the broker's answer. There is one attempt: the operator decides on another."""
        from token_broker_client.deadline import Deadline  # noqa: PLC0415 (with what is slow)
        from token_broker_client.request import Command  # noqa: PLC0415 (same)

        command = Command(flow, connection, action, body)
        return self.gateway.call(command, Deadline.after(SECONDS))

    def client(self, service: str) -> Any:
        """Return boto3's client of *service*, with short timeouts, for an operator waits."""
        from botocore.config import Config  # noqa: PLC0415 (slow, and `--help` does without)

        local = self.settings.local
        tries = 1 if local else 3
        config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": tries})
        endpoint = local.url("services") if local else None
        make: Any = self.session.client  # the stubs know some services only
        try:
            return make(service, endpoint_url=endpoint, config=config)
        except ValueError as error:
            if command_error(error).code != "internal":  # botocore's own, as for a wrong region
                raise
            raise usage(
                f"the endpoint of {service} is no address",
                "Correct the variable AWS_ENDPOINT_URL, or `endpoint_url` in the AWS profile.",
            ) from None

    @cached_property
    def session(self) -> "boto3.Session":
        """The operator's identity and region."""
        import boto3  # noqa: PLC0415 (slow, and `--help` does without)

        if self.settings.local:
            return local_session()
        return boto3.Session(
            profile_name=self.settings.profile,
            region_name=self.settings.region or os.environ.get("AWS_REGION"),
        )

    @cached_property
    def gateway(self) -> "Gateway":
        """The channel to the broker."""
        from token_broker_client.errors import InvalidRequest  # noqa: PLC0415 (with what is slow)
        from token_broker_client.gateway import Gateway  # noqa: PLC0415 (slow: requests, botocore)

        try:
            return Gateway.at(self.url, self.settings.region, self.session)
        except InvalidRequest as error:
            raise usage(f"the broker's address: {error.detail}", "See --url.") from None

    @cached_property
    def url(self) -> str:
        """The API's address: from the settings, or from the stack's outputs."""
        if self.settings.url:
            return self.settings.url
        stack = self.stack
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
        named = {
            one["ParameterKey"]: one.get("ParameterValue") for one in stack.get("Parameters", ())
        }
        url = outputs.get("ApiUrl")
        if not url:
            raise CommandError(
                "not_configured", f"stack {self.settings.stack} has no output ApiUrl", "See --url."
            )
        self.settings.require_match(url, named.get("Stage"))
        return str(url)

    @cached_property
    def stack(self) -> Mapping[str, Any]:
        """The stack's description."""
        name = self.settings.stack
        client = self.client("cloudformation")
        try:
            (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise CommandError(
                "not_configured", f"there is no stack {name} here", "See --stack, --url, --region."
            ) from None
        found: Mapping[str, Any] = stack
        return found


def local_session() -> "boto3.Session":
    """Return the local system's identity, whatever account this shell is logged in to."""
    import boto3  # noqa: PLC0415 (slow, and `--help` does without)
    from botocore.session import Session  # noqa: PLC0415 (same reason)

    # A proxy of the shell's does not lead to this machine.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = LocalSystem.HOST
    nowhere = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.Session(
        aws_access_key_id=LocalSystem.KEY,
        aws_secret_access_key=LocalSystem.KEY,
        region_name=LocalSystem.REGION,
        botocore_session=Session(session_vars=nowhere),
    )


Given = TypeVar("Given")
Made = TypeVar("Made")

THREADS = 8


def concurrently(call: Callable[[Given], Made], given: Iterable[Given]) -> list[Made]:
    """Return *call*'s results for each of *given*, in order; raise what it raises.

    Ctrl-C does not wait for the calls that are under way.
    """
    tasks: SimpleQueue[tuple[Given, Future[Made]]] = SimpleQueue()
    futures: list[Future[Made]] = []
    for one in given:
        futures.append(Future())
        tasks.put((one, futures[-1]))

    def work() -> None:
        while not tasks.empty():
            with suppress(Empty):
                one, future = tasks.get_nowait()
                try:
                    future.set_result(call(one))
                except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
                    future.set_exception(error)

    for _ in futures[:THREADS]:
        # A pool's threads are no daemons: the process would wait for them at its end.
        threading.Thread(target=work, daemon=True).start()
    return [future.result() for future in futures]
