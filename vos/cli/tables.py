"""Short tables that a person can read at the end of a job."""

from typing import Any

from rich.table import Table


def facts_table(title: str) -> Table:
    """A table of names and values; a long value, such as a path, is folded and never cut."""
    table = Table(title=title, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    return table


def in_words(value: Any) -> str:
    """A value of a report as a person reads it: counts by name, lists with commas, four digits; empty for nothing."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {in_words(each) or 'none'}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(in_words(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
