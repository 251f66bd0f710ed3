"""A subset of CloudWatch Logs Insights' query language, run by SQLite over lines of a local log.

It knows what the pages' queries use: ``fields``, ``filter``, ``stats … by``, ``sort``, ``limit``.
moto takes queries and runs no filter. What SQLite does not know either is an error.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

Line = Mapping[str, Any]

WORD = re.compile(r'"[^"]*"|/[^/]+/|[@\w]+|!=|<=|>=|\S')
IN_SQL = {"=": "IS", "!=": "IS NOT", "like": "REGEXP", "[": "(", "]": ")"}
"""Words that SQL spells otherwise. Its ``=`` would be true of no field that is not there."""

SAME_IN_SQL = re.compile(
    r"and|or|not|in|as|asc|desc|count|min|max|sum|pct|ispresent|[<>]=?|[(),*]|[0-9]+"
)


class Percentile:
    """The aggregate ``pct``."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._share = 0.0

    def step(self, value: Any, share: float) -> None:
        """Take one value."""
        self._share = share
        if value is not None:
            self._values.append(value)

    def finalize(self) -> Any:
        """Return the value that this share of all does not exceed."""
        at = max(0, math.ceil(self._share / 100 * len(self._values)) - 1)
        return sorted(self._values)[at] if self._values else None


def run(query: str, lines: Sequence[Line]) -> list[Line]:
    """Return the rows that *query* finds in *lines*. Raises `ValueError` for what it does not know.

    A field that no line has is an error, too: Insights would show nothing, in silence.
    """
    rows: list[Line] = list(lines)
    names = {name for line in rows for name in line}
    for command in query.strip().split("|"):
        name, _, rest = command.strip().partition(" ")
        rows = COMMANDS[name](rest, rows, names)
        names |= {name for row in rows for name in row}
    return rows


def fields(rest: str, rows: list[Line], names: set[str]) -> list[Line]:
    """Tell what is shown: what follows may use other fields all the same, so nothing is dropped."""
    selected(in_sql(rest, names), "", rows)
    return rows


def filtered(rest: str, rows: list[Line], names: set[str]) -> list[Line]:
    """Keep the lines that a condition is true of."""
    found = selected("rowid AS n", f"WHERE {in_sql(rest, names)}", rows)
    return [rows[each["n"] - 1] for each in found]


def stats(rest: str, rows: list[Line], names: set[str]) -> list[Line]:
    """Sum the lines up: one row for each set of values of what follows ``by``."""
    totals, _, by = rest.partition(" by ")
    keys = [name.strip() for name in by.split(",")] if by else []
    columns = [in_sql(totals, names), *(f"{in_sql(name, names)} AS [{name}]" for name in keys)]
    group = f"GROUP BY {in_sql(by, names)}" if by else ""
    return selected(", ".join(columns), group, rows) if rows else []


def ordered(rest: str, rows: list[Line], names: set[str]) -> list[Line]:
    """Order the lines by a field; which way must be said."""
    if not re.fullmatch(r"@?\w+ (asc|desc)", rest.strip()):
        raise ValueError(f"sort: {rest}")
    found = selected("rowid AS n", f"ORDER BY {in_sql(rest, names)}", rows)
    return [rows[each["n"] - 1] for each in found]


def limited(rest: str, rows: list[Line], names: set[str]) -> list[Line]:
    """Keep the first lines."""
    del names
    return rows[: int(rest)]


COMMANDS: Mapping[str, Callable[[str, list[Line], set[str]], list[Line]]] = {
    "fields": fields,
    "filter": filtered,
    "stats": stats,
    "sort": ordered,
    "limit": limited,
}


def in_sql(words: str, names: set[str]) -> str:
    """Return *words* of a query as SQL has them: a field is read from the line's JSON."""
    aliases = re.findall(r" as (\w+)", words)

    def spelt(word: str) -> str:
        if word in IN_SQL:
            return IN_SQL[word]
        if word in aliases or SAME_IN_SQL.fullmatch(word):
            return word
        if word[0] in '"/':
            return "'" + word.strip('"') + "'"
        if word not in names:
            raise ValueError(f"no line has {word}")
        return f"json_extract(json, '$.\"{word}\"')"

    return " ".join(map(spelt, WORD.findall(words)))


def selected(columns: str, clauses: str, rows: Sequence[Line]) -> list[Line]:
    """Return *columns* of the table ``line``, which has *rows*, below *clauses* of SQL."""
    with closing(sqlite3.connect(":memory:")) as base:
        base.create_function("REGEXP", 2, is_like)
        base.create_function("ispresent", 1, lambda value: value is not None)
        base.create_aggregate("pct", 2, Percentile)  # type: ignore[arg-type]  # it takes two
        base.execute("CREATE TABLE line (json)")
        base.executemany("INSERT INTO line VALUES (?)", ([json.dumps(row)] for row in rows))
        try:
            found = base.execute(f"SELECT {columns} FROM line {clauses}")  # noqa: S608 (of a page)
        except sqlite3.OperationalError as error:
            raise ValueError(f"not understood: {error}") from error
        shown = [column[0] for column in found.description]
        return [dict(zip(shown, row, strict=True)) for row in found]


def is_like(pattern: str, value: Any) -> bool:
    """Say whether *value* has *pattern* in it, which is a text, or an expression in slashes."""
    text = pattern[1:-1] if pattern[0] == "/" else re.escape(pattern)
    return re.search(text, str(value or "")) is not None


def queries(page: str) -> Iterator[tuple[str, str]]:
    """Yield each query of a page in Markdown, with the heading that it stands below."""
    heading = ""
    for title, block in re.findall(r"(?ms)^#+ ([^\n]+)$|^```\n(.*?)^```$", page):
        heading = title or heading
        if re.match(r"(fields|filter|stats) ", block):
            yield heading, block
