"""Short tables that a person can read at the end of a job."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def facts_table(title: str) -> Table:
    """A table of names and values; a long value, such as a path, is folded and never cut."""
    table = Table(title=title, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    return table


def short(path: Path | str) -> str:
    """A path as it is typed here: relative to the working folder where it lies in it.

    Example:
        >>> short(Path.cwd() / "outputs" / "run"), short("/elsewhere/run")
        ('outputs/run', '/elsewhere/run')
    """
    path = Path(path)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def print_paths(paths: Mapping[str, Path | str]) -> None:
    """A line for each file, by its name: the path whole and never folded, so that it can be copied."""
    for name, path in paths.items():
        print_whole(f"{name}: {short(path)}")


def print_whole(line: str) -> None:
    """A line as it is, however wide the screen."""
    Console().print(line, markup=False, highlight=False, soft_wrap=True)


def in_words(value: Any) -> str:
    """A value of a report as a person reads it: counts by name, lists with commas, four digits; empty for nothing."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {in_words(each) or 'none'}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(in_words(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
