"""Short tables that a person can read at the end of a job."""

from rich.table import Table


def facts_table(title: str) -> Table:
    """A table of names and values; a long value, such as a path, is folded and never cut."""
    table = Table(title=title, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    return table
