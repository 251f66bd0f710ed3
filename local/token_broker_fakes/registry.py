"""The fakes by flow: each package in this folder is one, and has a `FAKE`.

The pytest plugin imports this module in every run, so it imports no fake by itself.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import token_broker_fakes
from token_broker_descriptors import every

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from token_broker_fakes.fake import Fake


def names() -> list[str]:
    """Return the flows that have a fake, sorted. Imports none."""
    return sorted(found.name for found in iter_modules(token_broker_fakes.__path__) if found.ispkg)


def kind(name: str) -> "type[Fake[Any]]":
    """Return the fake of the flow called *name*."""
    found: type[Fake[Any]] = import_module(f"token_broker_fakes.{name}").FAKE
    return found


def new(name: str, **options: Any) -> "Fake[Any]":
    """Return a fake of the flow called *name* that knows the demo's credentials."""
    make: Callable[..., Fake[Any]] = kind(name)
    return make(**options)


def fakes() -> "Mapping[str, Fake[Any]]":
    """Return a new fake of each flow, in the order of the flows."""
    return {name: new(name) for name in every()}
