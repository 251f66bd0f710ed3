"""One variant of a connection, as the status answer tells of it, in words and bars."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from token_broker_cli.ages import second, span
from token_broker_cli.screen import plain

STYLES = {"fresh": "green", "aging": "yellow", "stale": "dark_orange", "dead": "red"}
CELLS = 8
EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Row:
    """What an operator is told of one variant."""

    told: Mapping[str, Any]
    now: int

    @property
    def state(self) -> str:
        """``fresh``, ``aging``, ``stale`` or ``dead``."""
        return str(self.told["state"])

    @property
    def style(self) -> str:
        """The colour of the state: a latch shows beside a token that lives, too."""
        return "red" if self.told["latched"] else STYLES.get(self.state, "")

    @property
    def words(self) -> str:
        """The state, and what else is true of it."""
        more = ", latched" if self.told["latched"] else ""
        return f"{self.state}{more}"

    @property
    def generation(self) -> str:
        """How many tokens there were."""
        return str(self.told["generation"])

    @property
    def name(self) -> str:
        """Which token it is, as far as its context tells; the fingerprint names the rest."""
        context = self.told.get("context") or {}
        if context.get("workspace"):
            return f"workspace {short(context['workspace'])}"
        if context.get("organization"):
            return f"organization {short(context['organization'])}"
        if context.get("display_name"):
            return plain(context["display_name"])
        key = str(self.told["variant"])
        return "the connection" if key == "-" else f"variant {key[:8]}"

    @property
    def left(self) -> float:
        """The part of the token's life that is left, 0 to 1."""
        begin, end = second(self.told["issued_at"]), second(self.told["expires_at"])
        if begin is None or end is None or end <= begin or self.state == "dead":
            return 0.0
        return min(1.0, max(0.0, (end - self.now) / (end - begin)))

    @property
    def bar(self) -> str:
        """The part that is left, as a bar."""
        eighths = round(self.left * CELLS * 8)
        full, part = divmod(eighths, 8)
        return ("█" * full + EIGHTHS[part].strip()).ljust(CELLS, "░")

    @property
    def left_in_words(self) -> str:
        """How long the token still lives, in words."""
        end = second(self.told["expires_at"])
        if end is None:
            return "-"
        return span(end - self.now) if end > self.now else "ended"

    @property
    def trouble(self) -> str:
        """The last failure, and how often it happened."""
        failure = self.told["failure"]
        return ", ".join(
            filter(None, (failure["code"], times(failure["count"])) if failure else ())
        )


def times(count: int) -> str:
    """Return how often something happened, if that is worth a word."""
    return f"{count} times" if count > 1 else ""


def short(identifier: object) -> str:
    """Return the part of a uuid that tells it from its neighbours."""
    return plain(str(identifier)[:8])
