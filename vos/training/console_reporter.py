"""Prints rounds on the screen: one line per round during a run, and a table at its end."""

from __future__ import annotations

from collections.abc import Sequence

from vos.console import columns_that_fit, console, print_table, say
from vos.training.reporters import Reporter, RoundRecord
from vos.training.words import by_split

ROWS = (
    "boundary/val/brier",
    "boundary/val/accuracy",
    "boundary/val/average_precision",
    "boundary/val/recall_at_fpr05",
    "boundary/val/band_error",
    "boundary/val/band_ece",
    "boundary/val/band_share",
    "boundary/test/brier",
    "boundary/test/accuracy",
    "boundary/test/average_precision",
    "boundary/test/recall_at_fpr05",
    "boundary/test/band_error",
    "boundary/test/pair_consistency",
    "boundary/test/beyond_0.5",
    "boundary/test/beyond_0.9",
    "boundary/test/beyond_0.99",
    "boundary/outlier_distance_median",
    "boundary/outlier_energy_auroc",
    "boundary/standardized_distance/min",
    "boundary/shift",
    "ood/energy/auroc",
    "ood/mahalanobis/auroc",
    "ood/initial_knn/auroc",
)

BY_KIND = "ood/called_harmful"
"""Prefix of the metrics for each kind of out-of-distribution text."""

LINE = (
    "boundary/val/brier",
    "boundary/val/accuracy",
    "boundary/val/average_precision",
    "boundary/shift",
)
"""What is said of a round as soon as it is measured."""


class ConsoleReporter(Reporter):
    """Prints one line per round during the run, and a table with one column per round at its end.

    Args:
        with_table: whether the table is printed; for a sweep one table compares all runs instead.
    """

    def __init__(self, with_table: bool = True) -> None:
        self.with_table = with_table
        self._records: list[RoundRecord] = []
        self._kept: int | None = None

    def on_round(self, record: RoundRecord) -> None:
        """Print the round's main numbers."""
        self._records.append(record)
        found = [name for name in LINE if name in record.metrics]
        parts = [f"{by_split(name)[1]} {record.metrics[name]:.4g}" for name in found]
        if any(name.startswith("boundary/val/") for name in found):
            parts.insert(sum(name.startswith("boundary/val/") for name in found), "on validation texts")
        say(f"round {record.round}: {', '.join(parts).replace(', on validation', ' on validation')}")

    def on_kept(self, record: RoundRecord, reason: str) -> None:  # noqa: ARG002 - the end of the run says it
        """Mark the round in the table."""
        self._kept = record.round

    def close(self) -> None:
        """Print the table."""
        if self._records and self.with_table:
            round_table(self._records, self._kept)


def round_table(records: Sequence[RoundRecord], kept: int | None) -> None:
    """Print one column per round: the first, the kept one and the latest, as many as fit on the screen."""
    columns = ["", *(f"round {each.round}" + "\nkept" * (each.round == kept) for each in records)]
    rows: list[list[str]] = []
    group = ""
    kinds = sorted({name for each in records for name in each.metrics if name.startswith(BY_KIND)})
    for name in (*ROWS, *kinds):
        if not any(name in each.metrics for each in records):
            continue
        place, words = by_split(name)
        if place != group:
            rows.append([place, *("" for _ in records)])
            group = place
        rows.append([f"  {words}", *(f"{each.metrics[name]:.4g}" if name in each.metrics else "" for each in records)])
    last = len(records)
    wanted = [0, 1, *(i for i, each in enumerate(records, 1) if each.round == kept), *range(last, 1, -1)]
    shown = columns_that_fit(columns, rows, list(dict.fromkeys(wanted)), console().width)
    print_table("The boundary, by round", [columns[i] for i in shown], [[row[i] for i in shown] for row in rows])
    if len(shown) < len(columns):
        more = len(columns) - len(shown)
        say(f"{more} more {'rounds are' if more > 1 else 'round is'} in metrics.json")
