"""The flows: one package for each vendor, and the part of it that a hit needs.

A hit loads a flow's package only. Its module with the vendor is imported when an exchange begins.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from token_broker.document import Document
from token_broker.tokens import Variant

if TYPE_CHECKING:
    from token_broker.flows.vendor import Vendor


class Flow(NamedTuple):
    """One vendor's tokens, as callers request them."""

    name: str
    requested: Callable[[Document], Variant]
    """Returns the variant that a call's body requests, before the secret's defaults."""
    module: str
    """The module that has the flow's `VENDOR`."""
    adapted: "Vendor[Any] | None" = None
    """The vendor's functions, if they are not those of `module`: for a probe."""

    @property
    def vendor(self) -> "Vendor[Any]":
        """The vendor's functions. Imports `module`: not for a hit."""
        vendor: Vendor[Any] = self.adapted or import_module(self.module).VENDOR
        return vendor


def every() -> Mapping[str, Flow]:
    """Return all flows by name, sorted: the `FLOW` of each package in this folder.

    Not for a hit: it reads the folder.
    """
    from pkgutil import iter_modules  # noqa: PLC0415 (off the hit path)

    names = sorted(found.name for found in iter_modules(__path__) if found.ispkg)
    return {name: import_module(f"{__name__}.{name}").FLOW for name in names}
