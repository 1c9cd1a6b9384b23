"""How pictures look: colours that stay apart for colour-blind readers and in grey, markers and line styles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

COLOURS = ("#004c86", "#d55e00", "#6cb9e8", "#9a4c8a", "#2fae86")
"""After Okabe and Ito, each of another lightness (CIE L* 32, 54, 72, 43, 64); further series repeat them."""

MARKERS = ("o", "s", "^", "D", "v")
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
"""One of each for every colour, so that no series is told by its colour alone."""

OUTLIER_MARKERS = ("x", "+", "1", "2", "3")
"""One a class: on one shell they lie on each other, and both are to be seen."""

GREY, PALE, BAND = "#555555", "#ececec", "#ece5c9"
"""Of lines that help to read, of what is not measured, and of the band."""

DPI = 130

LETTERS, MOST_ENTRIES = 28, 24
"""Of a class in a legend, and of series in one."""

FONT: dict[Any, Any] = {"font.size": 10, "axes.titlesize": 11, "axes.spines.top": False, "axes.spines.right": False}


@contextmanager
def styled() -> Iterator[None]:
    """The fonts and frames of every picture."""
    with mpl.rc_context(FONT):
        yield


def panels(n: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with `n` panels of a size in inches, in `columns` columns at most."""
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), dpi=DPI, layout="constrained")
    found = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in found[n:]:
        axes.set_axis_off()
    return figure, found[:n]


def plain(text: str) -> str:
    """A name as it is: `$` in it is no formula."""
    return text.replace("$", r"\$")


def brief(name: str) -> str:
    """A name of a class, cut where it would push the picture aside.

    Example:
        >>> brief("harmful"), brief("a name that nobody would want to read twice")
        ('harmful', 'a name that nobody would wan…')
    """
    return name if len(name) <= LETTERS else f"{name[:LETTERS]}…"


def legend_below(figure: Figure, handles: Sequence[Any], names: Sequence[str], columns: int) -> None:
    """A legend below the panels; the figure grows by its rows, and what is too much is counted."""
    shown = list(zip(handles, names, strict=True))[:MOST_ENTRIES]
    if len(shown) < len(names):
        shown.append((Line2D([], [], linestyle="none"), f"and {len(names) - len(shown)} more"))
    rows = -(-len(shown) // columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.19 * max(0, rows - 3))
    figure.legend(*zip(*shown, strict=True), loc="outside lower center", ncols=columns, fontsize=9, frameon=False)


def lightness(colour: str) -> float:
    """CIE L* of a colour, what is left of it in grey: 0 is black, 100 white.

    Example:
        >>> round(lightness("#ffffff")), round(lightness("#004c86"))
        (100, 32)
    """
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return float(116.0 * y ** (1 / 3) - 16.0 if y > 0.008856 else 903.3 * y)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    figure.savefig(path)
