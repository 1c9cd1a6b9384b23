"""Plots that compare settings, strategies and labelling rounds: means, intervals and single runs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from vos.metrics.calibration import wilson_interval
from vos.training.style import COLOURS, DPI, GREY, LINES, MARKERS, legend_below, panels, plain, save, styled
from vos.training.words import in_words

BESIDE = 0.15
"""Horizontal offset of the dots of single runs from their mean."""

LETTERS = 34
"""Characters per line of a panel's title."""

Values = Sequence[Sequence[float]]
Bounds = Sequence[tuple[float, float]]


def metrics_against(
    path: Path,
    x_name: str,
    x: Sequence[float],
    metrics: Mapping[str, Values],
    extrapolated: Collection[float] = (),
    intervals: Mapping[str, Bounds] | None = None,
) -> None:
    """Write the PNG of `metrics_figure`."""
    with styled():
        save(metrics_figure(x_name, x, metrics, extrapolated, intervals), path)


def metrics_figure(
    x_name: str,
    x: Sequence[float],
    metrics: Mapping[str, Values],
    extrapolated: Collection[float] = (),
    intervals: Mapping[str, Bounds] | None = None,
) -> Figure:
    """One panel per metric against `x`: the mean with its 95 % t-interval, and a dot per seed if there are several.

    Args:
        x_name: label of the horizontal axis: words, or the name of a setting.
        x: values, ascending; drawn at equal distances.
        metrics: name to one list of values (one per seed) for every x.
        extrapolated: distances in x beyond every held-out text; they are marked.
        intervals: name to a lower and an upper bound for every x, for metrics that have their own interval.
    """
    ticks = [f"{value:g}" + ("\nextra-\npolated" if value in extrapolated else "") for value in x]
    figure, found = panels(len(metrics), 2, (4.2, 2.7))
    places = np.arange(len(x), dtype=float)
    seeds = max((len(v) for values in metrics.values() for v in values), default=1)
    for axes, (name, values) in zip(found, metrics.items(), strict=True):
        for place, several in zip(places, values, strict=True) if seeds > 1 else ():
            axes.plot(
                np.full(len(several), place + BESIDE), several, linestyle="none", marker="o", markersize=4,
                color=COLOURS[2], markeredgecolor=GREY, markeredgewidth=0.4, gid="values",
            )  # fmt: skip
        _mean(axes, places, values, 0, "mean", (intervals or {}).get(name))
        axes.set_xticks(places, ticks)
        axes.set_xlim(-0.4, len(x) - 0.6)
        axes.set_title(_folded(in_words(name)))
    for axes in found[-2:]:
        axes.set_xlabel(plain(in_words(x_name)))
    if seeds > 1:
        apart = "\n" if len(found) == 1 else " "
        figure.suptitle(f"Every seed, and the mean{apart}with its 95 % interval ({seeds} seeds)", fontsize=11)
    return figure


def learning_curves(path: Path, x: Sequence[float], curves: Mapping[str, Mapping[str, Values]]) -> None:
    """Write the PNG of `learning_figure`."""
    with styled():
        save(learning_figure(x, curves), path)


def learning_figure(x: Sequence[float], curves: Mapping[str, Mapping[str, Values]]) -> Figure:
    """One panel per metric and one line per strategy: means over seeds, with 95 % t-intervals.

    Args:
        x: numbers of labels, ascending.
        curves: metric to strategy to one list of values (one per seed) for every x.
    """
    figure, found = panels(len(curves), 2, (4.6, 3.4))
    width = (max(x) - min(x)) / 100.0 if len(x) > 1 else 0.0
    for axes, (metric, strategies) in zip(found, curves.items(), strict=True):
        for i, (name, values) in enumerate(strategies.items()):
            shift = width * (i - (len(strategies) - 1) / 2)  # intervals are drawn side by side
            _mean(axes, np.asarray(x, dtype=float) + shift, values, i, name)
        axes.set_title(_folded(in_words(metric)))
        axes.set_xlabel("texts labelled")
    handles, names = found[0].get_legend_handles_labels()
    legend_below(figure, handles, names, 4)
    return figure


def mistakes(path: Path, rounds: Mapping[int, Mapping[str, tuple[int, int]]]) -> None:
    """Write the PNG of `mistakes_figure`."""
    with styled():
        save(mistakes_figure(rounds), path)


def mistakes_figure(rounds: Mapping[int, Mapping[str, tuple[int, int]]]) -> Figure:
    """Share of wrong predictions among the texts that were labelled, by the round that proposed them.

    Args:
        rounds: round to kind of text to number of mistakes and of texts; a kind without texts is left out.
    """
    kinds = list(dict.fromkeys(kind for found in rounds.values() for kind, (_, n) in found.items() if n))
    figure = Figure(figsize=(min(4.6 + 0.8 * len(rounds), 9.0), 3.8), dpi=DPI, layout="constrained")
    axes, highest = figure.subplots(), 0.0
    for i, kind in enumerate(kinds):
        known = [(place, *found[kind]) for place, found in enumerate(rounds.values()) if found.get(kind, (0, 0))[1]]
        share = np.array([k / n for _, k, n in known])
        bounds = np.array([wilson_interval(k, n) for _, k, n in known])
        highest = max(highest, float(bounds.max()))
        at = np.array([place for place, _, _ in known]) + 0.12 * (i - (len(kinds) - 1) / 2)
        axes.errorbar(
            at, share, np.abs(bounds.T - share), marker=MARKERS[i], markersize=7, capsize=4, linestyle="none",
            color=COLOURS[i], label=kind,
        )  # fmt: skip
        for x, y, (_, k, n) in zip(at, share, known, strict=True):
            left = i < (len(kinds) - 1) / 2
            axes.annotate(
                f"{k} of {n}", (x, y), xytext=(-8 if left else 8, 0), textcoords="offset points", fontsize=9,
                ha="right" if left else "left", va="center",
            )  # fmt: skip
    axes.set_xticks(range(len(rounds)), [f"round {number}" for number in rounds])
    axes.set_xlim(-0.6, len(rounds) - 0.4)
    axes.set_ylim(-0.04 * highest, min(1.04, 1.1 * highest))  # a marker at 0 is not clipped
    axes.set_ylabel("share that is wrong")
    axes.set_xlabel("classifier that proposed the texts")
    axes.set_title("Mistakes found by the answers, 95 % intervals")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def _mean(axes: Axes, x: NDArray[np.float64], values: Values, i: int, name: str, bounds: Bounds | None = None) -> None:
    """Draw means with the given intervals, or those over seeds; a single value has none."""
    mean = np.array([np.mean(v) for v in values])
    half = np.array([half_width(v) for v in values])
    error = None if np.isnan(half).all() else np.nan_to_num(half)
    if bounds is not None:
        error = np.abs(np.array(bounds).T - mean)
    axes.errorbar(
        x, mean, error, marker=MARKERS[i % len(MARKERS)], markersize=6,
        linewidth=1.5, capsize=3, color=COLOURS[i % len(COLOURS)], linestyle=LINES[i % len(LINES)], label=plain(name),
    )  # fmt: skip


def _folded(words: str) -> str:
    """A title, wrapped where it is long: at its comma, else between words."""
    if len(words) <= LETTERS:
        return plain(words)
    head, comma, tail = words.partition(", ")
    lines = [line for part in (f"{head}{comma.strip()}", tail) for line in textwrap.wrap(part, LETTERS)]
    return plain("\n".join(lines))


def half_width(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Half of the 95 % t-interval of the mean; NaN for a single value, which has none."""
    if len(values) < 2:
        return math.nan
    return float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
