"""A subset of CloudWatch Logs Insights' query language, run over lines of a local log.

It knows what the pages' queries use: ``fields``, ``filter``, ``stats … by``, ``sort``, ``limit``.
moto takes queries and runs no filter. Whatever else a query says is an error.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Line = Mapping[str, Any]
Condition = Callable[[Line], bool]

TOKEN = re.compile(r'"[^"]*"|/[^/]+/|[@\w]+|!=|<=|>=|[=<>(),\[\]*]')
COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
AGGREGATES: Mapping[str, Callable[..., Any]] = {
    "count": len,
    "min": min,
    "max": max,
    "sum": sum,
    "pct": lambda values, share: sorted(values)[max(0, math.ceil(share / 100 * len(values)) - 1)],
}


class Tokens:
    """The words of one command, taken one by one."""

    def __init__(self, text: str) -> None:
        rest = TOKEN.sub("", text).strip()
        if rest:
            raise ValueError(f"not understood: {rest}")
        self._left = TOKEN.findall(text)
        self.named: set[str] = set()
        """The fields of a line that were named."""

    def peek(self) -> str:
        """Return the next word, empty at the end."""
        return self._left[0] if self._left else ""

    def take(self, *expected: str) -> str:
        """Take the next word, which must be one of *expected* if there are any."""
        word = self._left.pop(0) if self._left else ""
        if not word or (expected and word not in expected):
            raise ValueError(f"{word or 'the end'} in place of {expected or 'a word'}")
        return word

    def skip(self, word: str) -> bool:
        """Take the next word if it is *word*, and say whether it was."""
        is_next = self.peek() == word
        if is_next:
            self._left.pop(0)
        return is_next

    def field(self) -> str:
        """Take the name of a field."""
        name = self.take()
        if not re.fullmatch(r"@?[A-Za-z_]\w*", name):
            raise ValueError(f"{name} is no field")
        self.named.add(name)
        return name

    def listed(self, take: Callable[[], Any]) -> list[Any]:
        """Take what a comma separates."""
        found = [take()]
        while self.skip(","):
            found.append(take())
        return found


def run(query: str, lines: Sequence[Line]) -> list[Line]:
    """Return the rows that *query* finds in *lines*. Raises `ValueError` for what it does not know.

    A field that no line has is an error, too: Insights would show nothing, in silence.
    """
    known = {name for line in lines for name in line}
    rows: list[Line] = list(lines)
    for command in query.strip().split("|"):
        name, _, rest = command.strip().partition(" ")
        tokens = Tokens(rest)
        rows = COMMANDS[name](tokens, rows)
        if tokens.peek():
            raise ValueError(f"{name}: {tokens.peek()} is left over")
        if unknown := tokens.named - known:
            raise ValueError(f"no line has {sorted(unknown)}")
        known |= {name for row in rows for name in row}
        if name == "stats" and not rows:
            return []
    return rows


def fields(tokens: Tokens, lines: list[Line]) -> list[Line]:
    """Tell what is shown: what follows may use other fields all the same, so nothing is dropped."""
    tokens.listed(tokens.field)
    return lines


def filtered(tokens: Tokens, lines: list[Line]) -> list[Line]:
    """Keep the lines that a condition is true of."""
    condition = any_of(tokens)
    return [line for line in lines if condition(line)]


def any_of(tokens: Tokens) -> Condition:
    """Take conditions of which one is enough."""
    found = [all_of(tokens)]
    while tokens.skip("or"):
        found.append(all_of(tokens))
    return lambda line: any(each(line) for each in found)


def all_of(tokens: Tokens) -> Condition:
    """Take conditions that must all be true; they bind more tightly than ``or``."""
    found = [one(tokens)]
    while tokens.skip("and"):
        found.append(one(tokens))
    return lambda line: all(each(line) for each in found)


def one(tokens: Tokens) -> Condition:
    """Take a single condition. None but ``!=`` is true of a field that is not there."""
    if tokens.skip("not"):
        inner = one(tokens)
        return lambda line: not inner(line)
    if tokens.skip("("):
        inner = any_of(tokens)
        tokens.take(")")
        return inner
    if tokens.skip("ispresent"):
        tokens.take("(")
        name = tokens.field()
        tokens.take(")")
        return lambda line: line.get(name) is not None
    return comparison(tokens)


def comparison(tokens: Tokens) -> Condition:
    """Take a field, and what its value is compared with."""
    name = tokens.field()
    match tokens.take("=", "!=", "in", "like", *COMPARED):
        case "in":
            tokens.take("[")
            values = tokens.listed(lambda: literal(tokens))
            tokens.take("]")
            return lambda line: line.get(name) in values
        case "like":
            pattern = tokens.take()
            found = re.compile(pattern[1:-1] if pattern[0] == "/" else re.escape(pattern[1:-1]))
            return lambda line: found.search(str(line.get(name, ""))) is not None
        case "=":
            value = literal(tokens)
            return lambda line: line.get(name) == value
        case "!=":
            value = literal(tokens)
            return lambda line: line.get(name) != value
        case sign:
            value = literal(tokens)
            return lambda line: name in line and COMPARED[sign](line[name], value)


def literal(tokens: Tokens) -> Any:
    """Take a text in quotes, or a number."""
    word = tokens.take()
    return word[1:-1] if word[0] == '"' else int(word)


def stats(tokens: Tokens, lines: list[Line]) -> list[Line]:
    """Sum the lines up: one row for each set of values of what follows ``by``."""
    wanted = tokens.listed(lambda: aggregate(tokens))
    by = tokens.listed(tokens.field) if tokens.skip("by") else []
    groups: dict[tuple[Any, ...], list[Line]] = {}
    for line in lines:
        groups.setdefault(tuple(line.get(name) for name in by), []).append(line)
    return [
        dict(zip(by, values, strict=True)) | {alias: total(group) for alias, total in wanted}
        for values, group in groups.items()
    ]


def aggregate(tokens: Tokens) -> tuple[str, Callable[[list[Line]], Any]]:
    """Take one aggregate and the name that it is shown by."""
    function = AGGREGATES[name := tokens.take(*AGGREGATES)]
    tokens.take("(")
    field = "*" if tokens.skip("*") else tokens.field()
    arguments = [literal(tokens)] if tokens.skip(",") else []
    tokens.take(")")
    alias = tokens.take() if tokens.skip("as") else f"{name}({field})"

    def total(group: list[Line]) -> Any:
        values = [line[field] for line in group if field in line] if field != "*" else group
        return function(values, *arguments) if values else None

    return alias, total


def ordered(tokens: Tokens, lines: list[Line]) -> list[Line]:
    """Order the lines by a field; which way must be said."""
    name = tokens.field()
    return sorted(lines, key=lambda line: line[name], reverse=tokens.take("asc", "desc") == "desc")


def limited(tokens: Tokens, lines: list[Line]) -> list[Line]:
    """Keep the first lines."""
    return lines[: int(tokens.take())]


COMMANDS: Mapping[str, Callable[[Tokens, list[Line]], list[Line]]] = {
    "fields": fields,
    "filter": filtered,
    "stats": stats,
    "sort": ordered,
    "limit": limited,
}


def queries(page: str) -> Iterator[tuple[str, str]]:
    """Yield each query of a page in Markdown, with the heading that it stands below."""
    heading = ""
    for title, block in re.findall(r"(?ms)^#+ ([^\n]+)$|^```\n(.*?)^```$", page):
        heading = title or heading
        if re.match(r"(fields|filter|stats) ", block):
            yield heading, block
