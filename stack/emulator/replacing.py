"""How the adapters change the emulator: a function of its is wrapped, wherever it was imported."""

import sys
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from ministack.services.cloudformation import provisioners

Wrapper = Callable[..., Any]


def around(owner: ModuleType | type, name: str) -> Callable[[Wrapper], Wrapper]:
    """Have the decorated function called in place of *name*.

    It is given the original before the arguments. A name that the emulator does not have is an
    error at once.
    """
    original = getattr(owner, name)

    def decorate(wrapper: Wrapper) -> Wrapper:
        replacement = bound(wrapper, original)
        setattr(owner, name, replacement)
        for module in tuple(sys.modules.values()):
            if vars(module).get(name) is original:
                setattr(module, name, replacement)
        return wrapper

    return decorate


def around_resource(kind: str, *operations: str) -> Callable[[Wrapper], Wrapper]:
    """Do the same to what CloudFormation does to create, update or delete resources of a *kind*."""
    handlers = provisioners._RESOURCE_HANDLERS[kind]

    def decorate(wrapper: Wrapper) -> Wrapper:
        for operation in operations:
            handlers[operation] = bound(wrapper, handlers[operation])
        return wrapper

    return decorate


def bound(wrapper: Wrapper, original: Wrapper) -> Wrapper:
    """Return *wrapper* as a function with the signature of *original*."""

    @wraps(original)
    def replacement(*arguments: Any, **named: Any) -> Any:
        return wrapper(original, *arguments, **named)

    return replacement
