"""Which broker a command works with: told by options, by the environment, or the local one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from token_broker_cli.troubles import usage
from token_broker_local.places import DEFAULT_PORT, REGION, Places
from token_broker_local.places import STAGE as LOCAL_STAGE

STAGE = re.compile(r"[a-z][a-z0-9-]{0,15}")
STAGE_IN_URL = re.compile(r"\.amazonaws\.com(?:\.cn)?/(?P<stage>[a-z][a-z0-9-]{0,15})(/v1)?/?$")
"""API Gateway's own addresses end in the stage; a domain of one's own has none."""

LAST_PORT = 65_535 - 4


@dataclass(frozen=True, slots=True)
class Options:
    """What was said on the command line."""

    local: bool = False
    port: int | None = None
    stage: str | None = None
    url: str | None = None
    stack: str | None = None
    region: str | None = None
    profile: str | None = None
    json: bool = False

    def over(self, others: "Options") -> "Options":
        """Return these options, and those of *others* where there is none here."""
        names = [field.name for field in fields(self)]
        return Options(**{name: getattr(self, name) or getattr(others, name) for name in names})


@dataclass(frozen=True, slots=True)
class Settings:
    """Where everything is."""

    stage: str
    stack: str
    url: str | None = None
    """The API, if it is known; else the stack's outputs tell."""
    region: str | None = None
    profile: str | None = None
    local: Places | None = None
    """Where the local system is, if that is meant."""

    @classmethod
    def of(cls, options: Options, environment: Mapping[str, str]) -> "Settings":
        """Return what *options* mean, together with *environment*. Raises `Trouble`."""
        if options.local or options.port:
            return cls.at(_places(options.port or environment.get("PORT")))
        url = options.url or environment.get("TOKEN_BROKER_URL")
        stage = options.stage or environment.get("TOKEN_BROKER_STAGE") or _stage_in(url)
        if not stage:
            raise usage(
                "which broker? No stage is set",
                "Name one with --stage or TOKEN_BROKER_STAGE; --local for the one of `make run`.",
            )
        if not STAGE.fullmatch(stage):
            raise usage(f"the stage must match {STAGE.pattern}")
        stack = options.stack or environment.get("TOKEN_BROKER_STACK") or f"token-broker-{stage}"
        return cls(stage, stack, url, options.region, options.profile)

    @classmethod
    def at(cls, places: Places) -> "Settings":
        """Return the settings of the local system."""
        url = places.url("gateway")
        return cls(LOCAL_STAGE, "", url, region=REGION, local=places)

    @property
    def secrets(self) -> str:
        """What the names of all secrets begin with."""
        return f"token-broker/{self.stage}/"

    @property
    def table(self) -> str:
        """The table's name."""
        return f"token-broker-{self.stage}"

    @property
    def key(self) -> str:
        """The alias of the key that seals the tokens."""
        return f"alias/token-broker-{self.stage}"


def _places(port: int | str | None) -> Places:
    text = str(port or DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LAST_PORT):
        raise usage(f"the port must be a number from 1 to {LAST_PORT}")
    return Places(int(text))


def _stage_in(url: str | None) -> str | None:
    found = STAGE_IN_URL.search(url or "")
    return found["stage"] if found else None
