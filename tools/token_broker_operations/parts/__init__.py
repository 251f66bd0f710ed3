"""The parts that are made of files that are else written by hand: what they have of each flow.

A file says between two marks what is made there, and by which macro of the file beside this one:

    # --- made by `make operations`: aliases
    # --- end of what is made
"""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import jinja2

from token_broker_operations.flows import Flow
from token_broker_operations.yaml import dumped

MADE = re.compile(
    r"(?ms)^(?P<head> *# --- made by `make operations`: (?P<part>\w+)\n)"
    r".*?^(?P<foot> *# --- end of what is made\n)"
)


def template_of(path: Path) -> str:
    """Return the name of the file beside this one that has the macros for *path*."""
    return f"{path.parent.name}.j2" if path.name == "__init__.py" else f"{path.name}.j2"


def _fakes(flows: Sequence[Flow]) -> dict[str, list[str]]:
    """Return the public names of the fakes' package, by the module that has them."""
    modules = {one.name: f"token_broker_fakes.{one.name}" for one in flows}
    named = {
        name: sorted(import_module(module).__all__)
        for name, module in modules.items()
        if find_spec(module)
    }
    return dict(sorted({**named, "faults": ["Fault"]}.items()))


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
    environment.globals["fakes"] = _fakes(flows)
    macros = environment.get_template(template_of(Path(name))).module

    def made(found: "re.Match[str]") -> str:
        make = others.get(found["part"]) or getattr(macros, found["part"])
        return f"{found['head']}{make()}{found['foot']}"

    return MADE.sub(made, text)
