"""What is known of a flow outside the broker: one module for each flow, with its `DESCRIPTOR`.

The templates, the OpenAPI document, the client's types, the command, the local system and the tests
are made from these, or loop over them. `make operations` writes what is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

TYPES: Mapping[str, tuple[str, Any]] = {
    "string": ("str", "acme"),
    "integer": ("int", 60),
    "number": ("float", 0.5),
    "boolean": ("bool", True),
    "array": ("list[Any]", ["a", "b"]),
    "object": ("Mapping[str, Any]", {"a": 1}),
}
"""The Python type of each type that a schema names, and a value of it."""


class Question(NamedTuple):
    """What `connect` asks for one key of a secret."""

    key: str
    text: str
    default: str | None = None
    is_secret: bool = False
    """Whether the answer is typed unseen, and kept out of every log."""
    is_optional: bool = False
    is_implied: bool = False
    """Whether the broker takes the default by itself, so that the secret need not have it."""
    is_login: bool = True
    """Whether it decides if the vendor accepts the login."""
    local: str | None = None
    """The default at the local system: ``{url}`` and ``{address}`` are those of the fake."""
    at_loopback: Mapping[str, str] = {}
    """What the secret has besides if the answer is a host of this machine."""
    instead: tuple["Question", ...] = ()
    """What is asked if the answer is empty; each kind of login takes the place of the other."""


class Field(NamedTuple):
    """A field that a call for a token may have, besides those of every flow."""

    name: str
    help: str
    """A few words for the command's option and the client's docstring."""
    schema: Mapping[str, Any]
    """As in the OpenAPI document."""

    @property
    def annotation(self) -> str:
        """The Python type of its values."""
        return TYPES[self.schema["type"]][0]

    @property
    def example(self) -> Any:
        """A value that a call may have."""
        return self.schema.get("example", TYPES[self.schema["type"]][1])


@dataclass(frozen=True)
class Descriptor:
    """A flow, as everything outside the broker needs it."""

    name: str
    """As in routes, secrets and the names of functions."""
    position: int
    """The flow's place among all, from 0: local ports and tables follow it."""
    title: str
    """As in a sentence: live tokens for …"""
    vendor: str
    """Whose tokens they are, as in: a fake of …"""
    description: str
    """Of its function, for those that look at it in AWS."""
    questions: tuple[Question, ...]
    """What `connect` asks, in this order."""
    fields: tuple[Field, ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)
    """The schema of what its answers have besides."""
    demo: Mapping[str, Any] = field(default_factory=dict)
    """The body of a call for a token of the demo's connection."""
    refusal_codes: Mapping[str, bool] = field(default_factory=dict)
    """Codes in the ``errors`` of a 403 that refuse a dead token; whether each may mean that a live
    token has too few rights. A 401 needs no code."""
    token_names: Mapping[str, str] = field(default_factory=dict)
    """What `status` and `explain` call a token, by the member of its context that says it."""

    @property
    def label(self) -> str:
        """The title by itself, as in a table."""
        plain = self.title.removeprefix("the ")
        return plain[:1].upper() + plain[1:]

    @property
    def logical(self) -> str:
        """The name as part of a resource's."""
        return self.name.capitalize()


@cache
def every() -> Mapping[str, Descriptor]:
    """Return all descriptors by name, in the order of their positions."""
    names = [found.name for found in iter_modules(__path__)]
    found = [import_module(f"{__name__}.{name}").DESCRIPTOR for name in names]
    return {one.name: one for one in sorted(found, key=lambda one: (one.position, one.name))}


def asked(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """Return *questions*, each followed by those that may be asked instead of it."""
    return tuple(each for one in questions for each in (one, *asked(one.instead)))


def choice(description: str) -> Mapping[str, Any]:
    """Return the schema of a text that may be left out."""
    return {"type": "string", "nullable": True, "minLength": 1, "description": description}


def answer(
    header: str | Sequence[str], context: Mapping[str, Any], **besides: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the schema of an answer: the vendor's headers, its context, and what else it has.

    *header* has those that every token of a caller has: none, if there is no such header.
    """
    required = [header] if isinstance(header, str) else [*header]
    headers = {"type": "object", **({"required": required} if required else {})}
    properties = {"headers": headers, **({"context": context} if context else {}), **besides}
    return {**({"required": list(besides)} if besides else {}), "properties": properties}
