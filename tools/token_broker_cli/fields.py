"""The options of the command for the fields of each flow's calls for a token."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

import typer

from token_broker_cli.command import SHARED
from token_broker_cli.errors import usage
from token_broker_descriptors import Field, every

Body = TypeVar("Body", bound=Callable[..., Any])
KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "object": (dict, "a JSON object"),
    "array": (list, "a JSON list"),
    "integer": (int, "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "true or false"),
}
"""What a value has to be that is no text, and how that is called."""

RESERVED = frozenset(
    {
        *(*SHARED, "context", "ctx", "fields", "flow", "name", "help", "min_ttl", "force"),
        *("form", "format", "show", "write", "as_modes", "yes"),
    }
)
"""The parameters and options of commands that take fields."""

OF_A_FIELD = "vendor_"
"""Precedes a field that is called like one of those: ``--vendor-region``."""


def parameter(field: str) -> str:
    """Return the name of the parameter for a field."""
    return f"{OF_A_FIELD}{field}" if field in RESERVED else field


def flag(field: str) -> str:
    """Return the name of the option for a field."""
    return f"--{parameter(field).replace('_', '-')}"


def fields() -> Iterator[tuple[str, Field]]:
    """Yield each field of each flow, with the flow's title."""
    for flow in every().values():
        yield from ((flow.label, field) for field in flow.fields)


def with_fields(body: Body) -> Body:
    """Give a command an option for each field; *body* takes them as ``**fields``."""
    helps: dict[str, list[str]] = {}
    for label, field in fields():
        helps.setdefault(field.name, []).append(f"{label}: {field.help}.")
    own = inspect.signature(body).parameters.values()
    known = [one for one in own if one.kind is not inspect.Parameter.VAR_KEYWORD]
    options = [option(name, " ".join(texts)) for name, texts in helps.items()]
    signature = inspect.Signature([*known, *options])
    body.__signature__ = signature  # type: ignore[attr-defined]  # PEP 362
    return body


def option(name: str, help: str) -> inspect.Parameter:  # noqa: A002 (typer's name)
    """Return the option for one field."""
    kinds = {field.schema["type"] for _, field in fields() if field.name == name}
    shown = None if "string" in kinds else "JSON"
    kind = Annotated[str | None, typer.Option(flag(name), metavar=shown, help=help)]
    return inspect.Parameter(
        parameter(name), inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
    )


def values(flow: str, raw: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the options' *raw* texts as members of a call to *flow*.

    The broker refuses a field that only another flow has.
    """
    known = (*(field for _, field in fields()), *every()[flow].fields)
    given = {field.name: (field.schema, raw.get(parameter(field.name))) for field in known}
    return {
        name: value_of(schema, name, text)
        for name, (schema, text) in given.items()
        if text is not None
    }


def value_of(schema: Mapping[str, Any], name: str, text: str) -> Any:
    """Return the value of *text*: JSON, except for a text field."""
    if schema["type"] == "string":
        return text
    kind, called = KINDS[schema["type"]]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        example = json.dumps(Field(name, "", schema).example)
        raise usage(f"{flag(name)} is no JSON", f"Like this: {flag(name)} '{example}'") from None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise usage(f"{flag(name)} must be {called}")
    return value
