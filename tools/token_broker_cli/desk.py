"""What a command works with: the broker, AWS, the screen; each made when it is first needed."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from token_broker_cli.screen import Screen
from token_broker_cli.settings import Settings
from token_broker_cli.troubles import Trouble, usage
from token_broker_local.places import ACCESS_KEY, HOST, REGION, SECRET_KEY

if TYPE_CHECKING:
    import boto3

    from token_broker_client.gateway import Gateway

SECONDS = 28.0
"""How long an answer of the API is waited for: it gives up itself at 29."""

Action = Literal["token", "status", "forget", "verify"]


class Desk:
    """Everything that commands touch."""

    def __init__(self, settings: Settings, screen: Screen) -> None:
        self.settings = settings
        self.screen = screen

    def call(self, flow: str, connection: str, action: Action, **body: Any) -> dict[str, Any]:
        """Return what the broker answers, asked once: a person sees to another try."""
        from token_broker_client.deadline import Deadline  # noqa: PLC0415 (with what is slow)
        from token_broker_client.request import Command  # noqa: PLC0415 (same)

        command = Command(flow, connection, action, body)
        return self.gateway.call(command, Deadline.after(SECONDS))

    def client(self, service: str) -> Any:
        """Return boto3's client of *service*, which gives up soon: somebody is waiting."""
        from botocore.config import Config  # noqa: PLC0415 (slow, and `--help` does without)

        local = self.settings.local
        tries = 1 if local else 3
        config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": tries})
        endpoint = local.url("services") if local else None
        make: Any = self.session.client  # the stubs know some services only
        return make(service, endpoint_url=endpoint, config=config)

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
        """The way to the broker."""
        from token_broker_client.errors import InvalidRequest  # noqa: PLC0415 (with what is slow)
        from token_broker_client.gateway import Gateway  # noqa: PLC0415 (slow: requests, botocore)

        try:
            return Gateway.at(self.url, self.settings.region, self.session)
        except InvalidRequest as error:
            raise usage(f"the broker's address: {error.detail}", "See --url.") from None

    @cached_property
    def url(self) -> str:
        """Where the API is: as told, or as the stack tells."""
        if self.settings.url:
            return self.settings.url
        try:
            return self.outputs["ApiUrl"]
        except KeyError:
            raise Trouble(
                "not_configured", f"stack {self.settings.stack} has no output ApiUrl", "See --url."
            ) from None

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """What the stack says of itself."""
        name = self.settings.stack
        client = self.client("cloudformation")
        try:
            (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise Trouble(
                "not_configured", f"there is no stack {name} here", "See --stack, --url, --region."
            ) from None
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}


def local_session() -> "boto3.Session":
    """Return the local system's identity, whatever account this shell is logged in to."""
    import boto3  # noqa: PLC0415 (slow, and `--help` does without)
    from botocore.session import Session  # noqa: PLC0415 (same reason)

    # A proxy of the shell's does not lead to this machine.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = HOST
    nowhere = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.Session(
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        botocore_session=Session(session_vars=nowhere),
    )
