"""The flows, as functions are made of them: what an exchange needs is loaded when one begins."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from token_broker.flows import requested

if TYPE_CHECKING:
    from collections.abc import Callable

    from token_broker.dependencies import Flow
    from token_broker.document import Document
    from token_broker.tokens import Variant


class _Later:
    """A flow's module, which is loaded for all but its name and `asked`."""

    def __init__(self, name: str, asked: "Callable[[Document], Variant]") -> None:
        self.NAME = name
        self.asked = asked

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(f"token_broker.flows.{self.NAME}.flow"), name)


vntana = cast("Flow", _Later("vntana", requested.vntana))
vendorlink = cast("Flow", _Later("vendorlink", requested.vendorlink))
editor = cast("Flow", _Later("editor", requested.editor))
