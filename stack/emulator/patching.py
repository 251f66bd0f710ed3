"""Decorators that wrap a function of the emulator in each module that imported it."""

import sys
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from ministack.services.cloudformation import provisioners

Function = Callable[..., Any]


def patch(owner: ModuleType | type, name: str) -> Callable[[Function], Function]:
    """Replace *name* of *owner* by the decorated function, whose first argument is the original.

    Raise `AttributeError` if the emulator has no such name.
    """
    original = getattr(owner, name)

    def decorate(function: Function) -> Function:
        replacement = bind(function, original)
        setattr(owner, name, replacement)
        for module in tuple(sys.modules.values()):
            if vars(module).get(name) is original:
                setattr(module, name, replacement)
        return function

    return decorate


def patch_resource(kind: str, *operations: str) -> Callable[[Function], Function]:
    """Replace CloudFormation's handlers that create, update or delete resources of a *kind*."""
    handlers = provisioners._RESOURCE_HANDLERS[kind]

    def decorate(function: Function) -> Function:
        for operation in operations:
            handlers[operation] = bind(function, handlers[operation])
        return function

    return decorate


def bind(function: Function, original: Function) -> Function:
    """Return *function* with *original* as its first argument, and the signature of the latter."""

    @wraps(original)
    def replacement(*arguments: Any, **keywords: Any) -> Any:
        return function(original, *arguments, **keywords)

    return replacement
