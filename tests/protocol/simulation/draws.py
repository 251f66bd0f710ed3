"""The random numbers of a plan: an independent generator for each name.

The draws under one name do not change when another name, flow or theme is added.
"""

from collections.abc import Callable, Mapping
from math import log
from random import Random
from typing import TypeAlias, TypeVar

Choice = TypeVar("Choice", bound=str)


Draw: TypeAlias = Callable[[str], Random]
"""Returns a new generator for a name; the same name gives the same sequence."""


def draws_of(seed: int) -> Draw:
    """Return the generators of *seed*."""
    return lambda name: Random(f"{seed}/{name}")


def chosen(draw: Draw, weights: Mapping[Choice, float]) -> Choice:
    """Return one of *weights* with a probability in proportion to its weight.

    Each choice draws a number of its own and the largest wins, so a new choice changes only the
    seeds that it wins.
    """
    return max(weights, key=lambda one: -weights[one] / log(draw(f"lot of {one}").random()))
