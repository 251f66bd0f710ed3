"""The options of the command for the fields of each flow's calls for a token."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

import typer

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
    kind = Annotated[str | None, typer.Option(metavar=shown, help=help)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def values(flow: str, raw: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the options' *raw* texts as members of a call to *flow*.

    The broker refuses a field that only another flow has.
    """
    known = (*(field for _, field in fields()), *every()[flow].fields)
    schemas = {field.name: field.schema for field in known}
    return {
        name: value_of(schemas[name], name, text) for name, text in raw.items() if text is not None
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
        raise usage(f"--{name} is no JSON", f"Like this: --{name} '{example}'") from None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise usage(f"--{name} must be {called}")
    return value
