"""The losses of a run as a table and as a drawing."""

import csv
from collections.abc import Sequence
from io import BytesIO, StringIO
from itertools import cycle
from math import isnan, nan
from pathlib import Path
from typing import Any

from impasto.core.progress import Progress
from impasto.media.place import write_bytes

_INK, _FAINT = "#2b2b2b", "#b9b4aa"
_HUES = (
    (0.17, 0.17, 0.17),
    (0.70, 0.20, 0.13),
    (0.12, 0.35, 0.55),
    (0.80, 0.58, 0.05),
    (0.26, 0.45, 0.22),
    (0.43, 0.30, 0.62),
)
_DEPTH = 3000
"""The total's minimum over the smallest value that is drawn."""


def write_csv(trace: Sequence[Progress], path: str | Path) -> None:
    """One row a step: step, height, width, total, and every term; weighted values.

    Raises:
        MediaError: the file cannot be written.
    """
    terms = _terms(trace)
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["step", "height", "width", *terms])
    for progress in trace:
        losses = progress.losses or {}
        values = [f"{losses[term]:.7g}" if term in losses else "" for term in terms]
        writer.writerow([progress.step, *progress.size, *values])
    write_bytes(path, table.getvalue().encode())


def write_plot(trace: Sequence[Progress], path: str | Path) -> None:
    """A drawing of all terms over the steps, on a logarithmic axis, as PNG; sizes are marked.

    Raises:
        MediaError: the file cannot be written.
    """
    # Matplotlib takes most of a second to load, and pyplot would keep global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=160, layout="constrained", facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _curves(axes, trace)
    _scales(axes, trace)
    axes.set_yscale("log")
    axes.set_xlabel("step", color=_INK)
    axes.set_ylabel("loss", color=_INK)
    axes.margins(x=0.01, y=0.08)
    axes.grid(axis="y", color=_FAINT, linewidth=0.5, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(which="both", color=_FAINT, labelcolor=_INK)
    drawn = BytesIO()
    canvas.print_figure(drawn, format="png")
    write_bytes(path, drawn.getvalue())


def _terms(trace: Sequence[Progress]) -> list[str]:
    """The names of all losses, the total first."""
    names = dict.fromkeys(name for progress in trace for name in progress.losses or {})
    return sorted(names, key=lambda name: name != "total")


def _curves(axes: Any, trace: Sequence[Progress]) -> None:
    """One line a term, broken where the working size changes."""
    totals = [p.losses["total"] for p in trace if p.losses and p.losses.get("total", 0) > 0]
    # Terms that are next to nothing would flatten all others.
    floor = min(totals, default=0) / _DEPTH
    for term, color in _colors(_terms(trace)).items():
        steps: list[float] = []
        values: list[float] = []
        for before, now in zip([None, *trace], trace, strict=False):
            value = (now.losses or {}).get(term, 0)
            broken = before is not None and before.size != now.size
            steps += [now.step] * (1 + broken)
            values += [nan] * broken + [value if value > floor else nan]
        if not all(map(isnan, values)):
            thick = 2.2 if term == "total" else 1.2
            axes.plot(steps, values, color=color, linewidth=thick, label=term)
    if axes.lines:
        axes.legend(frameon=False, labelcolor=_INK, loc="upper left", bbox_to_anchor=(1, 1))


def _colors(terms: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """A hue for all terms of the same first word, in shades from dark to light."""
    families: dict[str, list[str]] = {}
    for term in terms:
        families.setdefault("" if term == "total" else term.split()[0], []).append(term)
    found: dict[str, tuple[float, ...]] = {}
    for members, hue in zip(families.values(), cycle(_HUES)):
        for index, term in enumerate(members):
            fade = 0.65 * index / len(members)
            found[term] = tuple(channel + (1 - channel) * fade for channel in hue)
    return found


def _scales(axes: Any, trace: Sequence[Progress]) -> None:
    """A thin line and the size where the working size changes."""
    before = None
    for progress in trace:
        if progress.size != before:
            height, width = before = progress.size
            axes.axvline(progress.step, color=_FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{width} × {height}",
                (progress.step, 1.01),
                xycoords=("data", "axes fraction"),
                color=_INK,
                fontsize=8,
            )
