"""The parts of the templates and of the OpenAPI document that are made, one for each flow.

A file says between two marks what is made there, and by which macro of the file beside this one:

    # --- made by `make operations`: aliases
    # --- end of what is made
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jinja2

from token_broker_operations.flows import Flow
from token_broker_operations.yaml import dumped

MADE = re.compile(
    r"(?ms)^(?P<head> *# --- made by `make operations`: (?P<part>\w+)\n)"
    r".*?^(?P<foot> *# --- end of what is made\n)"
)


def written(
    name: str, text: str, flows: Sequence[Flow], others: Mapping[str, Callable[[], str]]
) -> str:
    """Return *text*, the file called *name*, with its parts as they should be for *flows*.

    *others* make the parts that are not made for each flow.
    """
    environment = jinja2.Environment(  # noqa: S701 (YAML, and nothing in it is from outside)
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["flows"] = flows
    environment.filters["yaml"] = dumped
    macros = environment.get_template(f"{name}.j2").module

    def made(found: "re.Match[str]") -> str:
        make = others.get(found["part"]) or getattr(macros, found["part"])
        return f"{found['head']}{make()}{found['foot']}"

    return MADE.sub(made, text)
