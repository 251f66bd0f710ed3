"""The README's plot: CPU time until a function's first answer, for light and dark mode.

Drawn from `results/cold-start.json`, so `make bench NAME=cold-start` comes before it.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.tables import read

DOCS = Path(__file__).parents[1] / "docs"
LOOKS = {
    "light": {"ink": "#1f2328", "bar": "#0969da", "grid": "#d1d9e0"},
    "dark": {"ink": "#e6edf3", "bar": "#58a6ff", "grid": "#3d444d"},
}
SHOWN = {
    "empty handler": "an empty handler",
    "vendorlink": "vendorlink",
    "editor": "editor",
    "vntana": "vntana",
    "boto3 client, get_item (floor)": "one boto3 client, one read",
    "vntana, only boto3": "vntana, only boto3",
    "typical handler": "typical handler",
}


def bars() -> list[tuple[str, float]]:
    """Return the name and CPU time of each plotted row, the fastest first."""
    rows = {row["function"]: row for row in read("cold-start")["rows"]}
    found = [(title, float(rows[n]["both, CPU time"]["median"])) for n, title in SHOWN.items()]
    return sorted(found, key=lambda bar: bar[1])


def draw(look: str) -> None:
    """Write one picture."""
    colours: dict[str, Any] = LOOKS[look]
    mpl.rcParams.update({"svg.hashsalt": "token-broker", "svg.fonttype": "none", "font.size": 11})
    figure, axes = plt.subplots(figsize=(8, 3.4))
    names, times = zip(*reversed(bars()), strict=True)
    axes.barh(names, times, color=colours["bar"], height=0.62)
    for place, spent in enumerate(times):
        axes.text(spent, place, f"  {spent:,.0f}", va="center", color=colours["ink"])
    label = "milliseconds of processor time from nothing to the first token, median"
    axes.set_xlabel(label, color=colours["ink"])
    axes.tick_params(colors=colours["ink"], length=0)
    axes.xaxis.grid(visible=True, color=colours["grid"], linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlim(0, 1.1 * max(times))
    for side in axes.spines.values():
        side.set_visible(False)
    figure.tight_layout()
    path = DOCS / f"cold-start-{look}.svg"
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)
    print(f"wrote docs/{path.name}")


def main() -> None:
    """Draw both."""
    for look in LOOKS:
        draw(look)
