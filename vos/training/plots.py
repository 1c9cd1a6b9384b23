"""The boundary map: texts and virtual outliers by margin and calibrated distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from vos.harmful import Classes
from vos.training.style import (
    BAND,
    COLOURS,
    DPI,
    GREY,
    LINES,
    OUTLIER_MARKERS,
    PALE,
    brief,
    legend_below,
    plain,
    save,
    styled,
)

SHOWN_CLASSES = 3
"""Largest number of classes of a side that a picture names."""

RADII_DRAWN = (0.5, 0.9, 0.99)
"""Distances marked in the boundary map."""

DISTANCES_SHOWN = (2e-3, 1.0 - 1e-5)
"""Limits of the distance axis of the boundary map."""

WIDE = 60
"""Characters of a label, beyond which it is wrapped."""

GRID = 200
"""Number of points at which a density curve is evaluated."""


@dataclass(frozen=True)
class BoundaryPoints:
    """Points of the boundary map.

    Attributes:
        margins: (n,) logit units.
        distances: (n,) in [0, 1], the share of real texts that are nearer to their class than the point.
        labels: (n,) int64, the classes.
    """

    margins: Tensor
    distances: Tensor
    labels: Tensor


def boundary_map(
    path: Path, texts: BoundaryPoints, outliers: BoundaryPoints | None, band: float, classes: Classes, title: str
) -> None:
    """Write the PNG of `boundary_figure`."""
    with styled():
        save(boundary_figure(texts, outliers, band, classes, title), path)


def boundary_figure(
    texts: BoundaryPoints, outliers: BoundaryPoints | None, band: float, classes: Classes, title: str
) -> Figure:
    """Margin against distance from the class, with marginal densities, the band and three radii.

    The distance has a logit scale, on which 0.9, 0.99 and 0.999 are equally spaced. The limits are the same for every
    run, so that the pictures of a sweep can be compared; points beyond them are drawn at the edge.

    Args:
        texts: labelled texts.
        outliers: virtual outliers, or None.
        band: half-width of the band, logit units.
        classes: classes of the texts.
        title: title of the picture.
    """
    figure = Figure(figsize=(8.0, 6.0), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(6, 1), height_ratios=(1, 5))
    axes = figure.add_subplot(grid[1, 0])
    above, beside = figure.add_subplot(grid[0, 0], sharex=axes), figure.add_subplot(grid[1, 1], sharey=axes)
    for each in (axes, above):
        each.axvspan(-band, band, color=BAND, zorder=0, label=f"near the boundary: |margin| ≤ {band:.2f}")
        each.axvline(0.0, color=GREY, linewidth=0.8, zorder=1)
    _distance_axis(axes)
    if len(texts.distances):
        top = DISTANCES_SHOWN[1]  # an area up to 1, infinite on this scale, would not be drawn
        farthest = min(float(texts.distances.max()), top)
        axes.axhspan(farthest, top, color=PALE, zorder=-1, label="farther than every text shown")
    for c, name in enumerate(classes.names):
        _scatter(axes, texts, c, "o", f"text: {brief(name)}")
        if outliers is not None:
            _scatter(axes, outliers, c, OUTLIER_MARKERS[c % len(OUTLIER_MARKERS)], f"virtual outlier of {brief(name)}")
    _densities(above, beside, texts, classes)
    axes.set_xlabel(margin_label(classes))
    above.set_title(plain(title))
    for each in (above, beside):
        each.tick_params(labelbottom=False, labelleft=False, left=False, bottom=False)
        each.spines[:].set_visible(False)
    above.set_yticks([])
    beside.set_xticks([])
    handles, names = axes.get_legend_handles_labels()
    legend_below(figure, handles, names, 2)
    return figure


def _distance_axis(axes: Axes) -> None:
    """Label the radii by the share of real texts within them, and draw those for 0.5, 0.9, 0.99, ..."""
    axes.set_yscale("logit")
    axes.set_ylim(*DISTANCES_SHOWN)
    ticks = (0.01, 0.1, *RADII_DRAWN, 0.999, 0.9999)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.yaxis.set_minor_locator(NullLocator())
    for radius in RADII_DRAWN:
        axes.axhline(radius, color=GREY, linewidth=0.8, linestyle="--", zorder=1)
    axes.set_ylabel("calibrated distance: share of real texts\nthat are nearer to their class")


def margin_label(classes: Classes) -> str:
    """Axis label of the margin, with the names of the classes; `$` in a name is escaped."""
    if not classes.harmful:
        return "margin = largest logit - second largest"
    names = (classes.harmful_names, classes.other_names)
    sides = [f"logit({brief(each[0])})" if len(each) == 1 else _largest(each) for each in names]
    apart = "\n" if sum(map(len, sides)) > WIDE else " "
    return plain(f"margin = {sides[0]}{apart}- {sides[1]}")


def _largest(names: Sequence[str]) -> str:
    """`largest of A, B, ...`, with as many class names as fit."""
    shown = [brief(name) for name in names[:SHOWN_CLASSES]]
    while len(shown) > 1 and len(", ".join(shown)) > WIDE:
        shown.pop()
    return f"largest logit of ({', '.join([*shown, *(['...'] if len(names) > len(shown) else [])])})"


def grouped(classes: Classes, labels: NDArray[np.int64]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Names and rows of the groups with a density curve: the classes, or the two sides if colours do not suffice."""
    if len(classes.names) <= len(COLOURS):
        return [(brief(name), labels == c) for c, name in enumerate(classes.names)]
    harm = np.isin(labels, classes.harmful)
    if not classes.harmful:
        return [("all classes", ~harm)]
    return [("other classes", ~harm), ("harmful classes", harm)]


def _shown(distances: Tensor) -> NDArray[np.float64]:
    """Distances clipped to the limits of the axis."""
    found: NDArray[np.float64] = (
        distances.double().clamp(DISTANCES_SHOWN[0] * 1.1, 1.0 - 1.1 * (1.0 - DISTANCES_SHOWN[1])).numpy()
    )
    return found


def _scatter(axes: Axes, points: BoundaryPoints, label: int, marker: str, name: str) -> None:
    rows = points.labels == label
    if rows.any():
        axes.scatter(
            points.margins[rows].numpy(),
            _shown(points.distances[rows]),
            s=14 if marker == "o" else 24,
            marker=marker,
            linewidths=0.4 if marker == "o" else 1.0,
            alpha=0.65,
            color=COLOURS[label % len(COLOURS)],
            label=plain(f"{name} ({int(rows.sum())})"),
            zorder=2 if marker == "o" else 3,
        )


def _densities(above: Axes, beside: Axes, texts: BoundaryPoints, classes: Classes) -> None:
    """Densities of the classes along both axes."""
    for i, (_, rows) in enumerate(grouped(classes, texts.labels.numpy())):
        style: dict[str, Any] = {"color": COLOURS[i], "linestyle": LINES[i], "linewidth": 1.4}
        q = _shown(texts.distances)[rows]
        if (found := density(texts.margins.double().numpy()[rows])) is not None:
            above.plot(*found, **style)
        if (found := density(np.log(q / (1.0 - q)))) is not None:
            beside.plot(found[1], 1.0 / (1.0 + np.exp(-found[0])), **style)


def density(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Points and heights of a kernel density estimate; None for fewer than three values, or equal values."""
    if len(values) < 3 or np.ptp(values) < 1e-9:
        return None
    kernel = stats.gaussian_kde(values)
    reach = 3.0 * float(np.sqrt(kernel.covariance[0, 0]))
    x = np.linspace(values.min() - reach, values.max() + reach, GRID)
    return x, kernel(x)
