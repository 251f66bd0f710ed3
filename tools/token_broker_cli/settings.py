"""Which broker a command works with: named by options, by the environment, or the local one.

A stage names the secrets, an address the API. Both must be of one broker: a command that read one
from here and the other from there would change the wrong stage.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import typer

from token_broker_cli.errors import usage
from token_broker_descriptors import every

FLOWS = tuple(every())

STAGE = re.compile(r"[a-z][a-z0-9-]{0,15}")

HOST = re.compile(r".+\.execute-api\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?\.?")
"""API Gateway's own addresses name region and stage; a domain of one's own names neither."""


@dataclass(frozen=True, slots=True)
class LocalSystem:
    """The system of `make run`, by the one port that all its addresses follow from.

    Repeated here, as the command is installed without the local system; a test compares.
    """

    port: int = 8080

    HOST: ClassVar = "127.0.0.1"
    REGION: ClassVar = "eu-west-1"
    STAGE: ClassVar = "local"
    KEY: ClassVar = "local"
    """Access key and secret: they are public."""
    LISTENERS: ClassVar = ("gateway", "services", *FLOWS)
    LAST_PORT: ClassVar = 65_535 - len(LISTENERS) + 1

    def url(self, name: str) -> str:
        """Return the base URL of *name*: `gateway`, `services`, or a flow for its vendor's fake."""
        return f"http://{self.HOST}:{self.port + self.LISTENERS.index(name)}"


def _option(*names: str, help: str) -> Any:  # noqa: A002 (typer's name)
    return typer.Option(*names, help=help, rich_help_panel="Which broker")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line; None is an absent one."""

    local: Annotated[bool, _option("--local", help="The broker of `make run`.")] = False
    port: Annotated[int | None, _option(help="Where `make run` listens (PORT; 8080).")] = None
    stage: Annotated[
        str | None, _option(help="The stage that is deployed (TOKEN_BROKER_STAGE).")
    ] = None
    url: Annotated[
        str | None, _option(help="The API, without /v1 (TOKEN_BROKER_URL; the stack's).")
    ] = None
    stack: Annotated[
        str | None, _option(help="The stack (TOKEN_BROKER_STACK; token-broker-STAGE).")
    ] = None
    region: Annotated[str | None, _option(help="The AWS region (AWS_REGION; the profile's).")] = (
        None
    )
    profile: Annotated[str | None, _option(help="The AWS profile (AWS_PROFILE).")] = None
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON, and fail in JSON.")] = False

    def over(self, others: "Options") -> "Options":
        """Return these options, with those of *others* for the missing ones."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return Options(
            **{
                name: getattr(others, name) if value is None or value is False else value
                for name, value in own.items()
            }
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """The addresses and names of one broker."""

    stage: str
    stack: str
    url: str | None = None
    """The API, if it is known; else the stack's outputs tell."""
    region: str | None = None
    """Where the broker is, if that is known; else the shell's region is meant."""
    profile: str | None = None
    local: LocalSystem | None = None
    """Where the local system is, if that is meant."""

    @classmethod
    def of(cls, options: Options, environment: Mapping[str, str]) -> "Settings":
        """Return the settings by *options* and *environment*. Raises `CommandError`."""
        if options.local or options.port is not None:
            return cls.at(_local(options, environment))
        url = _address(options, environment)
        named = _first(options.stage, environment.get("TOKEN_BROKER_STAGE"))
        found = _named_by(url)
        stage = named if named is not None else found.get("stage")
        if stage is None:
            raise usage(
                "which broker? No stage is set",
                "Name one with --stage or TOKEN_BROKER_STAGE; --local for the one of `make run`.",
            )
        if not STAGE.fullmatch(stage):
            raise usage(f"the stage must match {STAGE.pattern}")
        if (
            url is not None
            and "stage" not in found
            and (options.url is None) != (options.stage is None)
        ):
            raise usage(
                f"the address {host_of(url)} does not tell its stage, "
                "and address and stage were not named together",
                "Give both: --url and --stage, or TOKEN_BROKER_URL and TOKEN_BROKER_STAGE.",
            )
        stack = options.stack or environment.get("TOKEN_BROKER_STACK") or f"token-broker-{stage}"
        made = cls(stage, stack, url, options.region or found.get("region"), options.profile)
        return made.require_match(url)

    @classmethod
    def at(cls, local: LocalSystem) -> "Settings":
        """Return the settings of the local system."""
        return cls(local.STAGE, "", local.url("gateway"), region=local.REGION, local=local)

    def require_match(self, url: str | None, stage: str | None = None) -> "Settings":
        """Return these settings; raise `CommandError` if *url* is of another stage or region.

        *stage* is whose it is, where that is known from elsewhere.
        """
        found = _named_by(url)
        stages = {one for one in (stage, found.get("stage")) if one}
        if others := stages - {self.stage}:
            raise usage(
                f"the address {host_of(url)} is of stage {min(others)}, not of stage {self.stage}",
                "Name the address of that stage, or none: see --stage, --url, --stack.",
            )
        if self.region and found.get("region", self.region) != self.region:
            raise usage(
                f"the address is in region {found['region']}, not in {self.region}",
                "Leave out --region: the address tells it.",
            )
        return self

    @property
    def secrets(self) -> str:
        """The prefix of the secrets' names."""
        return f"token-broker/{self.stage}/"

    @property
    def table(self) -> str:
        """The table's name."""
        return f"token-broker-{self.stage}"

    @property
    def key(self) -> str:
        """The alias of the key that seals the tokens."""
        return f"alias/token-broker-{self.stage}"


def _local(options: Options, environment: Mapping[str, str]) -> LocalSystem:
    others = [n for n in ("stage", "url", "stack", "region", "profile") if getattr(options, n)]
    if others:
        raise usage(
            f"--local and --{others[0]} name two brokers", f"Leave out one: see --{others[0]}."
        )
    port = options.port if options.port is not None else environment.get("PORT")
    text = str(LocalSystem().port if port in (None, "") else port)
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LocalSystem.LAST_PORT):
        raise usage(f"the port must be a number from 1 to {LocalSystem.LAST_PORT}")
    return LocalSystem(int(text))


def _address(options: Options, environment: Mapping[str, str]) -> str | None:
    """Return the chosen address. A stack beside it is refused, for it would not be used."""
    url = _first(options.url, environment.get("TOKEN_BROKER_URL"))
    if options.stack and url is not None:
        raise usage(
            f"--stack and the address {host_of(url)} may name two brokers",
            "Leave out one: see --url and TOKEN_BROKER_URL.",
        )
    return url


def _first(option: str | None, variable: str | None) -> str | None:
    """Return the value of an option, else of a variable; an empty one is None."""
    return option if option is not None else variable or None


def host_of(url: str | None) -> str:
    """Return the host and the port of *url*, to be shown."""
    return urlsplit(url or "").netloc.rpartition("@")[2]


def _named_by(url: str | None) -> dict[str, str]:
    """Return the region and the stage that *url* names."""
    if url is not None and not url.strip():
        raise usage("the address is empty", "See --url.")
    try:
        parts = urlsplit((url or "").strip())
    except ValueError:
        raise usage("the address is no URL", "See --url.") from None
    host = HOST.fullmatch(parts.hostname or "")
    if not host:
        return {}
    stage = next(filter(None, parts.path.split("/")), None)
    return {"region": host[1]} | ({"stage": stage} if stage else {})
