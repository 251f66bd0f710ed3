"""VNTANA's lists of organizations and workspaces, and which row of one is meant."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from token_broker.errors import BrokerError, UpstreamContractChanged
from token_broker.exchange import Response, sendable

SLUG = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a slug looks like that is shown. Nothing else of an answer gets into an error's text."""


class Row(NamedTuple):
    """An organization or a workspace, and the account's role in it."""

    uuid: str
    slug: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """The rows of a list, and how many there are in all: grids have pages that no call names."""

    rows: Sequence[Row]
    total: int

    @classmethod
    def parse(cls, response: Response, step: str) -> "Grid":
        """Read the answer to a call that lists. Raises `UpstreamContractChanged`."""
        body = response.object(step).get("response")
        grid = body.get("grid") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(grid, list):
            raise UpstreamContractChanged(f"{step}: the answer has no grid")
        total = body.get("totalCount", len(grid))
        if isinstance(total, bool) or not isinstance(total, int):
            raise UpstreamContractChanged(f"{step}: totalCount is not a number")
        return cls([_row(members, step) for members in grid], total)

    @classmethod
    def kept(cls, context: Mapping[str, Any]) -> "Grid":
        """Return the grid that `context` made, also after it was stored as JSON."""
        return cls([Row(*members) for members in context["rows"]], context["total"])

    def context(self) -> dict[str, Any]:
        """Return this grid as JSON can hold it."""
        return {"rows": [list(row) for row in self.rows], "total": self.total}

    def named(self, wanted: str | None) -> Sequence[Row]:
        """Return the rows with this uuid, else with this slug; all where nothing is wanted.

        Names are not looked at: they are not unique.
        """
        if not wanted:
            return self.rows
        by_uuid = [row for row in self.rows if row.uuid.lower() == wanted.lower()]
        return by_uuid or [row for row in self.rows if row.slug == wanted]

    def only(self, wanted: str | None) -> Row | None:
        """Return the row that is meant, if it is certain that no other one could be."""
        found = self.named(wanted)
        is_certain = len(found) == 1 and (wanted or self.total <= 1)
        return found[0] if is_certain else None

    def pick(self, wanted: str | None, key: str, error: type[BrokerError]) -> Row:
        """Return the row that is meant, else raise *error*, which lists the slugs for *key*.

        Raises `UpstreamContractChanged` where rows that were not listed may hide what is meant.
        """
        row = self.only(wanted)
        if row:
            return row
        if len(self.rows) < self.total:
            listed = f"only {len(self.rows)} of {self.total} rows were listed"
            raise UpstreamContractChanged(f"list {key}s: {listed}")
        slugs = ", ".join(sorted({_shown(row.slug) for row in self.rows})) or "none"
        problem = "does not name one" if wanted else "has to be named: it is not the only one"
        if not self.rows:
            problem = "there is none"
        raise error(f"{key}: {problem}; the account's {key}s: {slugs}")


def _row(members: object, step: str) -> Row:
    row = members if isinstance(members, dict) else {}
    uuid, slug, role = row.get("uuid"), row.get("slug"), row.get("role")
    if not sendable(uuid) or not isinstance(slug, str):
        raise UpstreamContractChanged(f"{step}: a row has no uuid or no slug")
    return Row(uuid, slug, role if isinstance(role, str) else None)


def _shown(slug: str) -> str:
    return slug if SLUG.fullmatch(slug) else "(not shown)"
