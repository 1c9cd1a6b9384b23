"""Style of pictures: markers, line styles, and colours that differ for colour-blind readers and in greyscale."""

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
"""Colours after Okabe and Ito, with different lightness (CIE L* 32, 54, 72, 43, 64); further series repeat them."""

MARKERS = ("o", "s", "^", "D", "v")
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
"""One per colour, so that no series is distinguished by colour alone."""

OUTLIER_MARKERS = ("x", "+", "1", "2", "3")
"""One per class: outliers on one shell overlap, and all classes must be visible."""

GREY, PALE, BAND = "#555555", "#ececec", "#ece5c9"
"""Colours of guide lines, of unmeasured regions, and of the band."""

DPI = 130

LETTERS, MOST_ENTRIES = 28, 24
"""Largest number of characters of a class in a legend, and largest number of series in a legend."""

FONT: dict[Any, Any] = {"font.size": 10, "axes.titlesize": 11, "axes.spines.top": False, "axes.spines.right": False}


@contextmanager
def styled() -> Iterator[None]:
    """Context with the fonts and frames of all pictures."""
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
    """A name with `$` escaped, so that it is not read as a formula."""
    return text.replace("$", r"\$")


def brief(name: str) -> str:
    """A class name, shortened if it is too long for the picture.

    Example:
        >>> brief("harmful"), brief("a name that nobody would want to read twice")
        ('harmful', 'a name that nobody would wan…')
    """
    return name if len(name) <= LETTERS else f"{name[:LETTERS]}…"


def legend_below(figure: Figure, handles: Sequence[Any], names: Sequence[str], columns: int) -> None:
    """Add a legend below the panels; the figure grows by its rows, and surplus entries are only counted."""
    shown = list(zip(handles, names, strict=True))[:MOST_ENTRIES]
    if len(shown) < len(names):
        shown.append((Line2D([], [], linestyle="none"), f"and {len(names) - len(shown)} more"))
    rows = -(-len(shown) // columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.19 * max(0, rows - 3))
    figure.legend(*zip(*shown, strict=True), loc="outside lower center", ncols=columns, fontsize=9, frameon=False)


def lightness(colour: str) -> float:
    """CIE L* of a colour, its lightness in greyscale: 0 is black, 100 white.

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
