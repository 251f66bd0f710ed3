"""VNTANA's lists of organizations and workspaces, and the search for an entry."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from token_broker.errors import BrokerError, UpstreamContractChanged
from token_broker.exchange import Response, sendable

SLUG = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""A slug of this form may be shown. An error's text has no other part of an answer."""


class Entry(NamedTuple):
    """An organization or a workspace, and the account's role in it."""

    uuid: str
    slug: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of an answer, and their *total* number. The API documents no next page."""

    entries: Sequence[Entry]
    total: int

    @classmethod
    def parse(cls, response: Response, step: str) -> "Listing":
        """Read the list in *response*. Raises `UpstreamContractChanged`."""
        body = response.object(step).get("response")
        grid = body.get("grid") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(grid, list):
            raise UpstreamContractChanged(f"{step}: the answer has no grid")
        total = body.get("totalCount", len(grid))
        if isinstance(total, bool) or not isinstance(total, int):
            raise UpstreamContractChanged(f"{step}: totalCount is not a number")
        return cls([_entry(members, step) for members in grid], total)

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "Listing":
        """Return the listing of `to_context`, also after it was stored as JSON."""
        return cls([Entry(*members) for members in context["rows"]], context["total"])

    def to_context(self) -> dict[str, Any]:
        """Return this listing as a JSON object. The table's items have these members."""
        return {"rows": [list(entry) for entry in self.entries], "total": self.total}

    def named(self, wanted: str | None) -> Sequence[Entry]:
        """Return the entries with this uuid, or with this slug; all entries for None.

        Names are not compared, because they are not unique.
        """
        if not wanted:
            return self.entries
        by_uuid = [entry for entry in self.entries if entry.uuid.lower() == wanted.lower()]
        return by_uuid or [entry for entry in self.entries if entry.slug == wanted]

    def only(self, wanted: str | None) -> Entry | None:
        """Return the entry for *wanted*. None unless it is certainly the only one."""
        found = self.named(wanted)
        is_certain = len(found) == 1 and (wanted or self.total <= 1)
        return found[0] if is_certain else None

    def pick(self, wanted: str | None, key: str, error: type[BrokerError]) -> Entry:
        """Return the entry for *wanted*; raise *error*, which lists the slugs, if there is none.

        *key* names the field. Raises `UpstreamContractChanged` if the list is not complete.
        """
        entry = self.only(wanted)
        if entry:
            return entry
        if len(self.entries) < self.total:
            listed = f"only {len(self.entries)} of {self.total} entries were listed"
            raise UpstreamContractChanged(f"list {key}s: {listed}")
        slugs = ", ".join(sorted({_shown(entry.slug) for entry in self.entries})) or "none"
        problem = "does not name one" if wanted else "has to be named: it is not the only one"
        if not self.entries:
            problem = "there is none"
        raise error(f"{key}: {problem}; the account's {key}s: {slugs}")


def _entry(members: object, step: str) -> Entry:
    entry = members if isinstance(members, dict) else {}
    uuid, slug, role = entry.get("uuid"), entry.get("slug"), entry.get("role")
    if not sendable(uuid) or not isinstance(slug, str):
        raise UpstreamContractChanged(f"{step}: an entry has no uuid or no slug")
    return Entry(uuid, slug, role if isinstance(role, str) else None)


def _shown(slug: str) -> str:
    return slug if SLUG.fullmatch(slug) else "(not shown)"
