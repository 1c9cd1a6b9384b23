"""Plots of a run's rounds: margins by round, and reliability diagrams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vos.harmful import Classes
from vos.metrics.calibration import wilson_interval
from vos.training.plots import density, grouped, margin_label
from vos.training.style import (
    BAND,
    COLOURS,
    DPI,
    GREY,
    LINES,
    MARKERS,
    legend_below,
    panels,
    plain,
    save,
    styled,
)

BINS = 10
"""Number of equally large groups of texts in a reliability diagram."""

MOST_ROUNDS = 6
"""Largest number of rounds with a panel: the first and the latest."""

Array = NDArray[np.float64]


def margins_by_round(
    path: Path, margins: Mapping[int, Array], labels: NDArray[np.int64], band: float, kept: int, classes: Classes
) -> None:
    """Write the PNG of `margins_figure`."""
    with styled():
        save(margins_figure(margins, labels, band, kept, classes), path)


def margins_figure(
    margins: Mapping[int, Array], labels: NDArray[np.int64], band: float, kept: int, classes: Classes
) -> Figure:
    """One panel per round: densities of the margins of the validation texts, with a tick for every text.

    Args:
        margins: round to (n,) margins, logit units.
        labels: (n,) classes of the texts.
        band: half-width of round 0's band.
        kept: the round that the run keeps.
        classes: classes of the texts.
    """
    rounds = sorted(margins)
    if len(rounds) > MOST_ROUNDS:
        rounds = [rounds[0], *rounds[1 - MOST_ROUNDS :]]
    figure, found = panels(len(rounds), 1, (8.0, 1.5))
    figure.set_size_inches(8.0, 1.5 * len(rounds) + 0.9)  # for title, axis and legend
    for axes, number in zip(found, rounds, strict=True):
        axes.axvspan(-band, band, color=BAND, zorder=0, label=f"near the boundary: |margin| ≤ {band:.2f}")
        axes.axvline(0.0, color=GREY, linewidth=0.8, zorder=1)
        for i, (name, rows) in enumerate(grouped(classes, labels)):
            _one_group(axes, margins[number][rows], i, name)
        axes.set_ylabel(f"round {number}" + ("\nkept" if number == kept else ""), rotation=0, ha="right", va="center")
        axes.set_yticks([])
        axes.sharex(found[0])
    for axes in found[:-1]:
        axes.tick_params(labelbottom=False)
    found[0].set_title("Margins of the validation texts, by round")
    found[-1].set_xlabel(margin_label(classes))
    handles, names = found[0].get_legend_handles_labels()
    legend_below(figure, handles, names, 3 if len(names) <= 3 else 2)
    return figure


def _one_group(axes: Axes, values: Array, i: int, name: str) -> None:
    colour = COLOURS[i]
    words = plain(f"{name} ({len(values)})")
    curve = density(values)
    if curve is not None:
        axes.plot(*curve, color=colour, linestyle=LINES[i], linewidth=1.6, label=words)
    height = 0.0 if curve is None else float(curve[1].max())
    axes.plot(
        values, np.full(len(values), -0.06 * (1 + i) * max(height, 1e-3)), linestyle="none", marker="|",
        color=colour, markersize=5, alpha=0.6, label=None if curve is not None else words,
    )  # fmt: skip


def reliability(path: Path, rounds: Mapping[int, Array], right: Mapping[int, Array], of_harm: bool) -> None:
    """Write the PNG of `reliability_figure`."""
    with styled():
        save(reliability_figure(rounds, right, of_harm), path)


def reliability_figure(rounds: Mapping[int, Array], right: Mapping[int, Array], of_harm: bool) -> Figure:
    """Observed frequency against predicted probability in equal groups of validation texts, with 95 % intervals.

    Args:
        rounds: round to (n,) predicted probabilities: of harm, or of the predicted class.
        right: round to (n,) zeros and ones: whether it was true.
        of_harm: whether the probabilities are of harm.
    """
    figure = Figure(figsize=(6.0, 6.0), dpi=DPI, layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, label="as it says")
    for i, (number, said) in enumerate(sorted(rounds.items())):
        x, k, n = reliability_groups(said, right[number])
        share = k / n
        bounds = np.array([wilson_interval(int(a), int(b)) for a, b in zip(k, n, strict=True)]).reshape(-1, 2)
        shift = 0.006 * (i - (len(rounds) - 1) / 2)
        style = {"color": COLOURS[i % len(COLOURS)], "label": f"round {number}"}
        axes.errorbar(
            x + shift, share, np.abs(bounds.T - share), marker=MARKERS[i % len(MARKERS)], markersize=5, capsize=2,
            linewidth=1.2, linestyle=LINES[i % len(LINES)], **style,
        )  # fmt: skip
        below.hist(said, bins=20, range=(0, 1), histtype="step", linestyle=LINES[i % len(LINES)], **style)
    what = "harm" if of_harm else "the predicted class"
    axes.set_title(f"Reliability on {len(next(iter(rounds.values())))} validation texts, 95 % intervals")
    axes.set_ylabel("share that is harmful" if of_harm else "share that is right")
    axes.set_ylim(-0.02, 1.02)
    axes.legend(loc="upper left", fontsize=9, frameon=False)
    below.set_ylabel("texts")
    below.set_xlabel(f"predicted probability of {what}")
    return figure


def reliability_groups(said: Array, true: Array) -> tuple[Array, Array, Array]:
    """Mean prediction, number true and size of `BINS` groups of neighbouring predictions, of nearly equal size.

    Example:
        >>> reliability_groups(np.array([0.1, 0.2, 0.9]), np.array([0.0, 1.0, 1.0]))
        (array([0.1, 0.2, 0.9]), array([0., 1., 1.]), array([1., 1., 1.]))
    """
    order = np.argsort(said, kind="stable")
    groups = [part for part in np.array_split(order, BINS) if len(part)]
    x = np.array([said[part].mean() for part in groups])
    return x, np.array([true[part].sum() for part in groups]), np.array([float(len(part)) for part in groups])
