"""Where a plan's numbers come from: a generator for each name, so that none disturbs another.

What is drawn under one name stays as it is when another name, flow or theme is added.
"""

from collections.abc import Callable, Mapping
from math import log
from random import Random
from typing import TypeAlias, TypeVar

Choice = TypeVar("Choice", bound=str)


Draw: TypeAlias = Callable[[str], Random]
"""Gives the generator of a name: the same each time, from its beginning."""


def draws_of(seed: int) -> Draw:
    """Return the generators of *seed*."""
    return lambda name: Random(f"{seed}/{name}")


def chosen(draw: Draw, weights: Mapping[Choice, float]) -> Choice:
    """Return one of *weights*, each as often as it weighs.

    Each has a lot of its own, and the best wins: one that is added only takes what it wins.
    """
    return max(weights, key=lambda one: -weights[one] / log(draw(f"lot of {one}").random()))
