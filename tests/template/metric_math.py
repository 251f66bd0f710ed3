"""CloudWatch's metric math, as far as the alarms use it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import math
from collections.abc import Mapping
from typing import Any

from tests.template.documents import Template


class Point(float):
    """The value of a metric in a period."""

    def __truediv__(self, other: float) -> float:
        return float(self) / other if other else math.nan


def value_of(alarm: Template, values: Mapping[str, float | None]) -> float | None:
    """Return what *alarm* compares with its threshold, if its metrics have *values* by id.

    None stands for no data, which any operation with it has, too.
    """
    points = {name: None if value is None else Point(value) for name, value in values.items()}
    functions: dict[str, Any] = {
        "FILL": lambda value, other: Point(other if value is None else value),
        "IF": lambda condition, one, other: one if condition else other,
        "METRICS": lambda: [value for value in points.values() if value is not None],
        "SUM": sum,
        "MAX": max,
    }
    [expression] = [each["Expression"] for each in alarm["Metrics"] if each["ReturnData"]]
    try:
        found: float = eval(expression, {"__builtins__": {}}, functions | points)  # noqa: S307 (the template's)
    except TypeError:
        return None
    return None if math.isnan(found) else found
