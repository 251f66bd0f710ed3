"""One variant of the status answer, as text, durations and bars."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from token_broker_cli.screen import plain
from token_broker_descriptors import every

STYLES = {"fresh": "green", "aging": "yellow", "stale": "dark_orange", "dead": "red"}
CELLS = 8
TOKEN_NAMES = {name: words for one in every().values() for name, words in one.token_names.items()}
"""What a token is called, by the member of its context that says it; the first that is there."""
EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class VariantView:
    """A variant of the status answer."""

    answer: Mapping[str, Any]
    now: int

    @property
    def state(self) -> str:
        """``fresh``, ``aging``, ``stale`` or ``dead``."""
        return str(self.answer["state"])

    @property
    def style(self) -> str:
        """The colour of the state: a latch shows beside a token that lives, too."""
        return "red" if self.answer["latched"] else STYLES.get(self.state, "")

    @property
    def words(self) -> str:
        """The state, and what else is true of it."""
        more = ", latched" if self.answer["latched"] else ""
        return f"{self.state}{more}"

    @property
    def generation(self) -> str:
        """The generation of the token."""
        return str(self.answer["generation"])

    @property
    def name(self) -> str:
        """The name of the token by its context, else by its variant's key."""
        context = self.answer.get("context") or {}
        for name, words in TOKEN_NAMES.items():
            if context.get(name):
                return plain(words.format(str(context[name])))
        key = str(self.answer["variant"])
        return "the connection" if key == "-" else f"variant {key[:8]}"

    @property
    def left(self) -> float:
        """The share of the token's lifetime that is left, 0 to 1."""
        begin, end = second(self.answer["issued_at"]), second(self.answer["expires_at"])
        if begin is None or end is None or end <= begin or self.state == "dead":
            return 0.0
        return min(1.0, max(0.0, (end - self.now) / (end - begin)))

    @property
    def bar(self) -> str:
        """The share that is left, as a bar."""
        eighths = round(self.left * CELLS * 8)
        full, part = divmod(eighths, 8)
        return ("█" * full + EIGHTHS[part].strip()).ljust(CELLS, "░")

    @property
    def left_in_words(self) -> str:
        """The time until the token expires, as text."""
        end = second(self.answer["expires_at"])
        if end is None:
            return "-"
        return span(end - self.now) if end > self.now else "ended"

    @property
    def failure(self) -> str:
        """The last failure, and how often it happened."""
        failure = self.answer["failure"]
        return ", ".join(
            filter(None, (failure["code"], times(failure["count"])) if failure else ())
        )


def times(count: int) -> str:
    """Return how often something happened, if that is worth a word."""
    return f"{count} times" if count > 1 else ""


UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def second(moment: str | None) -> int | None:
    """Return *moment*, in RFC 3339, in seconds since the epoch."""
    return int(datetime.fromisoformat(moment).timestamp()) if moment else None


def span(seconds: float) -> str:
    """Return a length in its two largest units: ``2 d 4 h``, ``12 min``, ``41 s``."""
    left = max(0, int(seconds))
    for position, (unit, size) in enumerate(UNITS):
        if left >= size:
            count, rest = divmod(left, size)
            return f"{count} {unit}{_rest(rest, position + 1) if size > 60 else ''}"  # noqa: PLR2004 (a minute)
    return "0 s"


def _rest(seconds: int, position: int) -> str:
    unit, size = UNITS[position]
    return f" {seconds // size} {unit}" if seconds >= size else ""


def when(moment: str | None, now: int) -> str:
    """Return the distance of *moment*: ``in 12 min``, ``3 h ago``, ``never``."""
    at = second(moment)
    if at is None:
        return "never"
    return f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"


def written(moment: str | None) -> str:
    """Return *moment* in UTC, as people write it."""
    at = second(moment)
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "-"
