"""A subset of CloudWatch Logs Insights' query language, run by SQLite over lines of a local log.

It knows what the pages' queries use: ``fields``, ``filter``, ``stats … by``, ``sort``, ``limit``.
moto takes queries and runs no filter. What SQLite does not know either is an error.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

import json
import math
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

Line = Mapping[str, Any]
Columns = dict[str, str]
"""SQL by the name of each column that a command may use."""

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
    columns = {name: f"json_extract(json, '$.\"{name}\"')" for line in lines for name in line}
    source = "SELECT json FROM line"
    for command in query.strip().split("|"):
        what, clauses, columns = selected(command.strip(), columns)
        source = f"SELECT {what} FROM ({source}) {clauses}"  # noqa: S608 (of a page)
    with closing(sqlite3.connect(":memory:")) as base:
        base.create_function("REGEXP", 2, is_like)
        base.create_function("ispresent", 1, lambda value: value is not None)
        base.create_aggregate("pct", 2, Percentile)  # type: ignore[arg-type]  # it takes two
        base.execute("CREATE TABLE line (json)")
        base.executemany("INSERT INTO line VALUES (?)", ([json.dumps(line)] for line in lines))
        try:
            found = base.execute(source)
        except sqlite3.OperationalError as error:
            raise ValueError(f"not understood: {error}") from error
        shown = [column[0] for column in found.description]
        rows = [dict(zip(shown, row, strict=False)) for row in found]
    return [json.loads(row["json"]) if "json" in row else row for row in rows]


def selected(command: str, columns: Columns) -> tuple[str, str, Columns]:
    """Return what *command* selects in SQL, by which clauses, and the columns that there are then.

    What follows `fields` may use other fields all the same. After `stats` there is one row for each
    set of values of what follows its ``by``, and no other column.
    """
    name, _, rest = command.partition(" ")
    named = {alias: alias for alias in re.findall(r" as (\w+)", rest)}
    if name == "limit":
        return "*", f"LIMIT {int(rest)}", columns
    if name == "stats":
        totals, _, by = rest.partition(" by ")
        keys = {key.strip(): f"[{key.strip()}]" for key in by.split(",") if key.strip()}
        shown = [in_sql(totals, columns | named), *(f"{columns[key]} AS [{key}]" for key in keys)]
        grouped = ", ".join(columns[key] for key in keys) or "NULL"
        return ", ".join(shown), f"GROUP BY {grouped}", named | keys
    words = in_sql(rest, columns | named)
    if name == "fields":
        return f"*, {words}", "", columns | named
    if name == "filter":
        return "*", f"WHERE {words}", columns
    if name == "sort" and re.fullmatch(r"@?\w+ (asc|desc)", rest):  # which way must be said
        return "*", f"ORDER BY {words}", columns
    raise ValueError(command)


def in_sql(words: str, columns: Columns) -> str:
    """Return *words* of a query as SQL has them: a field is read from the line's JSON."""

    def spelt(word: str) -> str:
        if word in IN_SQL:
            return IN_SQL[word]
        if word in columns:
            return columns[word]
        if SAME_IN_SQL.fullmatch(word):
            return word
        if word[0] in '"/':
            return "'" + word.strip('"') + "'"
        raise ValueError(f"no line has {word}")

    return " ".join(map(spelt, WORD.findall(words)))


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
