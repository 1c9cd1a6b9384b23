"""Output for people, on a terminal or in a log file: lines wrapped between words, tables that fit, whole paths.

Everything that a program prints goes through here. Escape codes, colours and progress bars are used only on terminals
that can show them; with `NO_COLOR` or `TERM=dumb`, or when the output is not a terminal, it is plain text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    "columns_that_fit",
    "complain",
    "console",
    "is_plain",
    "is_terminal",
    "print_facts",
    "print_paths",
    "print_table",
    "say",
    "short",
]

NARROW = 80
"""Line width where the output is not a terminal."""

DUMB = ("dumb", "unknown")
"""Values of TERM for terminals without escape codes."""


def is_terminal() -> bool:
    """Whether the standard output is a terminal of any kind."""
    return bool(getattr(sys.stdout, "isatty", bool)())


def is_plain() -> bool:
    """Whether escape codes are unwanted: `NO_COLOR` is set, the terminal is dumb, or there is no terminal."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "").lower() in DUMB or not is_terminal()


def console() -> Console:
    """The console of this process, shared so that progress bars and printed lines do not overwrite each other.

    A new one is made when the terminal or its settings change.
    """
    return _console(is_plain(), is_terminal(), os.environ.get("COLUMNS", ""))


@lru_cache(maxsize=8)
def _console(plain: bool, terminal: bool, columns: str) -> Console:
    width = None if terminal or columns.isdigit() else NARROW
    if not plain:
        return Console(width=width, highlight=False)
    return Console(
        width=width, highlight=False, color_system=None, no_color=True, force_terminal=False, force_jupyter=False
    )


def say(line: str, *, style: str | None = None, hanging: str = "  ") -> None:
    """Print one line: wrapped between words on a terminal, unchanged elsewhere.

    Args:
        line: any text; markup in it is not interpreted.
        style: a `rich` style, for terminals with colours.
        hanging: the prefix of every line after the first.
    """
    out = console()
    parts = [line]
    if is_terminal():
        parts = [part for each in line.split("\n") for part in _broken(each, out.width, hanging)]
    for part in parts:
        out.print(Text(part, style=style or ""), soft_wrap=True)


def complain(line: str) -> None:
    """Print an empty line and then one line to the standard error, wrapped between words on a terminal."""
    terminal = bool(getattr(sys.stderr, "isatty", bool)())
    parts = _broken(line, console().width, "  ") if terminal else [line]
    sys.stderr.write("\n" + "\n".join(parts) + "\n")
    sys.stderr.flush()


def _broken(line: str, width: int, hanging: str) -> Iterator[str]:
    """Yield the parts of a line, each at most `width` wide unless it is a single long word, such as a path."""
    if cell_len(line) <= width:
        yield line
        return
    words = line.strip().split(" ")
    start = line[: len(line) - len(line.lstrip())]
    part = start + words[0]
    for word in words[1:]:
        if cell_len(part) + 1 + cell_len(word) <= width:
            part += " " + word
        else:
            yield part.rstrip()
            part = start + hanging + word
    yield part


def short(path: Path | str) -> str:
    """Return a path as one would type it: relative to the working folder if it lies in it.

    Example:
        >>> short(Path.cwd() / "outputs" / "run"), short("/elsewhere/run")
        ('outputs/run', '/elsewhere/run')
    """
    path = Path(path)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def print_paths(paths: Mapping[str, Path | str]) -> None:
    """Print one line per file, name and path; a path is never wrapped, so that it can be copied.

    Other addresses, such as the URL of a server, are printed unchanged.
    """
    for name, path in paths.items():
        console().print(Text(f"{name}: {short(path) if Path(path).exists() else path}"), soft_wrap=True)


def print_facts(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values below a title; a long value is wrapped within its column."""
    if not rows:
        return
    say(title, style="bold")
    shown = Table(box=None, show_header=False, pad_edge=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in rows:
        shown.add_row(Text(f"  {name}"), Text(value))
    _show(shown)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
    """Print rows below column heads; the first `left` columns are left-aligned (words), the others right-aligned."""
    say(title, style="bold")
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(columns):
        shown.add_column(Text(name), justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    _show(shown)


def _show(shown: Table) -> None:
    """Print a table; in plain text no line ends with spaces."""
    out = console()
    if not is_plain():
        out.print(shown)
        return
    with out.capture() as kept:
        out.print(shown)
    for line in kept.get().strip("\n").splitlines():
        out.print(Text(line.rstrip()), soft_wrap=True)


def columns_that_fit(
    columns: Sequence[str], rows: Sequence[Sequence[str]], wanted: Sequence[int], width: int
) -> list[int]:
    """Return the indices of the columns that fit side by side, in the order of the table.

    Args:
        columns: the column heads.
        rows: the cells.
        wanted: column indices, the most important first; the first is always included.
        width: width of the screen in characters.

    Example:
        >>> columns_that_fit(["metric", "a", "b", "c"], [["x", "1", "22", "3"]], [0, 3, 1, 2], 17)
        [0, 1, 3]
    """
    taken: list[int] = []
    room = width - 2
    for i in wanted:
        cells = [columns[i], *(row[i] for row in rows)]
        need = max(cell_len(line) for cell in cells for line in cell.split("\n")) + (3 if taken else 0)
        if taken and need > room:
            continue
        taken.append(i)
        room -= need
    return sorted(taken)
