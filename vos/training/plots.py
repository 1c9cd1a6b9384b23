"""Pictures of the boundary."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from vos.harmful import Classes

SHOWN_CLASSES = 3
"""Classes of a side that a picture names."""

COLOURS = ("#3b6ea5", "#c4501b", "#4f8f4f", "#8a5fa8", "#9a8a2c")
"""Blue and orange stay apart for colour-blind readers; further classes repeat the rest."""

OUTLIER_MARKERS = ("x", "+", "1", "2", "3")
"""One a class: on one shell they lie on each other, and both are to be seen."""

RADII_DRAWN = (0.5, 0.9, 0.99)
"""Distances that are marked in the boundary map."""

DISTANCES_SHOWN = (2e-3, 1.0 - 1e-5)
"""Ends of its axis of distances."""


@dataclass(frozen=True)
class BoundaryPoints:
    """Points of the boundary map.

    Attributes:
        margins: (n,) logit units.
        distances: (n,) in [0, 1], the share of real texts that are nearer to their class than the point is to its own.
        labels: (n,) int64, the classes.
    """

    margins: Tensor
    distances: Tensor
    labels: Tensor


def boundary_map(
    path: Path, texts: BoundaryPoints, outliers: BoundaryPoints | None, band: float, classes: Classes, title: str
) -> None:
    """Write a PNG: margin against distance from the class, texts and virtual outliers, the band and three radii marked.

    The distance is on a logit scale, on which 0.9, 0.99 and 0.999 are equally far apart. It is the same for every run,
    so that the pictures of a sweep can be laid side by side; what lies beyond its ends is drawn at them.

    Args:
        path: of the picture.
        texts: labelled texts.
        outliers: virtual ones, or None.
        band: half-width, logit units.
        classes: of the texts.
        title: of the picture.
    """
    with mpl.rc_context({"font.size": 10}):
        figure = Figure(figsize=(8.0, 5.0), dpi=130, layout="constrained")
        axes = figure.subplots()
        axes.axvspan(-band, band, color="#e8e2c8", zorder=0, label=f"band |margin| ≤ {band:.2f}")
        axes.axvline(0.0, color="#666666", linewidth=0.8, zorder=1)
        _distance_axis(axes)
        if len(texts.distances):
            top = DISTANCES_SHOWN[1]  # an area up to 1, which is infinite on this scale, is not drawn at all
            farthest = min(float(texts.distances.max()), top)
            axes.axhspan(farthest, top, color="#eaeaea", zorder=-1, label="farther than every text shown")
        for c, name in enumerate(classes.names):
            _scatter(axes, texts, c, "o", f"text: {name}")
            if outliers is not None:
                _scatter(axes, outliers, c, OUTLIER_MARKERS[c % len(OUTLIER_MARKERS)], f"virtual outlier of {name}")
        axes.set_xlabel(_margin_label(classes))
        axes.set_title(title)
        axes.legend(fontsize=8, framealpha=0.9, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3)
        figure.savefig(path)


def _distance_axis(axes: Axes) -> None:
    """Name the radii by the share of real texts that they hold, and draw those of a half and the next nines."""
    axes.set_yscale("logit")
    axes.set_ylim(*DISTANCES_SHOWN)
    ticks = (0.01, 0.1, *RADII_DRAWN, 0.999, 0.9999)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.yaxis.set_minor_locator(NullLocator())
    for radius in RADII_DRAWN:
        axes.axhline(radius, color="#666666", linewidth=0.8, linestyle="--", zorder=1)
    axes.set_ylabel("distance: share of real texts nearer to their class")


def _margin_label(classes: Classes) -> str:
    """What the margin is, in the names of the classes; `$` in a name is no formula."""
    if not classes.harmful:
        return "margin = largest logit - second largest"
    names = (classes.harmful_names, classes.other_names)
    sides = [f"logit({each[0]})" if len(each) == 1 else _largest(each) for each in names]
    return f"margin = {sides[0]} - {sides[1]}".replace("$", r"\$")


def _largest(names: Sequence[str]) -> str:
    shown = [*names[:SHOWN_CLASSES], *(["..."] if len(names) > SHOWN_CLASSES else [])]
    return f"largest logit of ({', '.join(shown)})"


def _scatter(axes: Axes, points: BoundaryPoints, label: int, marker: str, name: str) -> None:
    rows = points.labels == label
    if rows.any():
        axes.scatter(
            points.margins[rows].numpy(),
            points.distances[rows].clamp(DISTANCES_SHOWN[0] * 1.1, 1.0 - 1.1 * (1.0 - DISTANCES_SHOWN[1])).numpy(),
            s=14 if marker == "o" else 22,
            marker=marker,
            linewidths=0.4 if marker == "o" else 0.9,
            alpha=0.65,
            color=COLOURS[label % len(COLOURS)],
            label=f"{name} ({int(rows.sum())})".replace("$", r"\$"),
            zorder=2 if marker == "o" else 3,
        )


def metrics_against(
    path: Path,
    x_name: str,
    x: Sequence[float],
    metrics: Mapping[str, Sequence[Sequence[float]]],
    extrapolated: Collection[float] = (),
) -> None:
    """Write a PNG with one panel a metric: mean over seeds against `x`, the range of the seeds shaded.

    Args:
        path: file to write.
        x_name: what the horizontal axis is.
        x: values, ascending.
        metrics: name to one list of values (one a seed) for every x.
        extrapolated: values of x that are farther out than any text that was measured; they are marked.
    """
    ticks = [f"{value:g}" + ("\nextrapolated" if value in extrapolated else "") for value in x]
    figure, panels = _panels(len(metrics), 3, (4.2, 3.0))
    for axes, (name, values) in zip(panels, metrics.items(), strict=True):
        positions = np.arange(len(x))
        axes.plot(positions, [np.mean(v) for v in values], marker="o", color=COLOURS[0])
        axes.fill_between(positions, [min(v) for v in values], [max(v) for v in values], color=COLOURS[0], alpha=0.2)
        axes.set_xticks(positions, ticks)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(x_name, fontsize=9)
    figure.savefig(path)


def learning_curves(
    path: Path, x: Sequence[float], curves: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
) -> None:
    """Write a PNG with one panel a metric and one line a strategy: means over seeds, with 95 % t-intervals.

    Args:
        path: file to write.
        x: labels, ascending.
        curves: metric to strategy to one list of values (one a seed) for every x.
    """
    figure, panels = _panels(len(curves), 2, (5.0, 3.4))
    for axes, (metric, strategies) in zip(panels, curves.items(), strict=True):
        for colour, (name, values) in zip(COLOURS, strategies.items(), strict=False):
            mean = np.array([np.mean(v) for v in values])
            half = np.array([half_width(v) for v in values])
            axes.plot(x, mean, marker="o", color=colour, label=name)
            axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15)
        axes.set_title(metric, fontsize=10)
        axes.set_xlabel("labels", fontsize=9)
    panels[0].legend(fontsize=8)
    figure.savefig(path)


def _panels(n: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with `n` panels of a size in inches, in `columns` columns at most."""
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), dpi=110, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in panels[n:]:
        axes.set_axis_off()
    return figure, panels[:n]


def half_width(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Half of the 95 % t-interval of the mean; NaN for a single value, which has none."""
    if len(values) < 2:
        return math.nan
    return float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
