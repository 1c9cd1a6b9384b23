"""The comparison at the end of a sweep."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from vos.training.comparison import PLOTTED, compare_runs


def compare_sweep(directory: Path) -> None:
    """Compare the runs under a sweep's folder and print the table."""
    settings = {}
    for path in sorted(directory.glob("*/overrides.yaml"), key=lambda p: (len(p.parent.name), p.parent.name)):
        pairs = [str(each).lstrip("+~").split("=", 1) for each in OmegaConf.load(path)]
        settings[path.parent] = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    rows = compare_runs(directory, settings)
    if not rows:
        return
    names = dict.fromkeys(name for row in rows for name in row)  # a run may lack a number that others have
    shown = [name for name in names if not name.startswith(("boundary/", "ood/")) or name in PLOTTED]
    table = Table(title=f"Sweep {directory}")
    for name in shown:
        table.add_column(name.removeprefix("boundary/"), justify="right")
    for row in rows:
        table.add_row(*(f"{row[n]:.4g}" if isinstance(row.get(n), float) else str(row.get(n, "")) for n in shown))
    console = Console(width=max(120, Console().width))
    console.print(table)
    console.print(f"table: {directory / 'comparison.csv'}   picture: {directory / 'comparison.png'}")
