"""The cost of pools too large for this machine, extrapolated from the measurements of `benchmarks.speed.scale`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SIZES = (10**6, 10**7, 10**8, 10**9)

NODES = (1, 10, 100)

CORES = 16
"""Of a node."""

FILES = 1_000
"""Of a pool on paper, at most; files have at least `SMALLEST` texts."""

SMALLEST = 100_000

GIB = 2**30

ASSUMPTIONS = f"""Assumptions of the table, none of them measured beyond 10^6 texts:
- every core scores as fast as one thread here, whatever the others do; texts are as long as those of the corpus
- files of {SMALLEST:,} texts, and at most {FILES:,} files; one core scores a file; nodes have {CORES} cores, no GPU
- what else scoring costs (reading, samples) is that of the tiny encoder's pass, added to the encoder's own time
- a file is read and checked once before any is scored, by the core that scores it; a file system as fast as this disk
- a result is as large as one of the default settings (n=100, d=384), a text as long as here, stored as JSON lines
- starting workers, Ray itself and what decides again in float32 (some 20,000 texts) are left out"""


@dataclass(frozen=True)
class Measured:
    """What the table rests on.

    Attributes:
        encoder: texts a second of one thread, bfloat16 where that is faster.
        rest: texts a second of everything but the encoder.
        read: texts a second that are read and checked.
        merge: seconds for a file.
        result: bytes of a file's result.
        text: bytes of a text in the pool.
        memory: MiB of the driver.
    """

    encoder: float
    rest: float
    read: float
    merge: float
    result: float
    text: float
    memory: float

    @classmethod
    def of(cls, figures: Mapping[str, float]) -> Measured:
        """From the figures of the largest sizes that were measured."""
        pool, merge = f"pool_{figures['pool_largest']:.0f}", f"merge_{figures['merge_largest']:.0f}"
        return cls(
            encoder=max(figures["encoder_float32_per_s"], figures["encoder_bfloat16_per_s"]),
            rest=figures[f"{pool}_per_s"],
            read=figures[f"{pool}_read_per_s"],
            merge=figures[f"{merge}_seconds_of_a_file"],
            result=figures[f"{merge}_mib_of_a_file"] * 2**20,
            text=figures[f"{pool}_bytes_per_text"],
            memory=max(figures[f"{pool}_peak_mib"], figures[f"{merge}_peak_mib"]),
        )


@dataclass(frozen=True)
class Row:
    """What a pool costs.

    Attributes:
        texts: of the pool.
        core_hours: of checking and scoring.
        driver_hours: of merging, on one core.
        hours: from start to end, by `NODES`.
        pool_gib: of the texts.
        results_gib: of what the files leave.
        driver_mib: peak memory of the driver.
    """

    texts: int
    core_hours: float
    driver_hours: float
    hours: tuple[float, ...]
    pool_gib: float
    results_gib: float
    driver_mib: float


def cost_curve(measured: Measured) -> list[Row]:
    """A row for each size.

    Example:
        >>> rows = cost_curve(Measured(100.0, 100.0, 1e5, 0.0, 2.0**29, 2.0**10, 600.0))
        >>> round(rows[0].core_hours, 2), [round(hours, 3) for hours in rows[0].hours], rows[0].results_gib
        (5.56, [0.556, 0.556, 0.556], 5.0)
    """
    rows = []
    for n in SIZES:
        scoring = n * (1 / measured.encoder + 1 / measured.rest + 1 / measured.read) / 3600
        files = min(FILES, -(-n // SMALLEST))
        driver = files * measured.merge / 3600
        # As many files at a time as cores: the last ones may leave cores idle.
        hours = tuple(driver + scoring / files * -(-files // (CORES * nodes)) for nodes in NODES)
        pool, results = n * measured.text / GIB, files * measured.result / GIB
        rows.append(Row(n, scoring, driver, hours, pool, results, measured.memory))
    return rows


def print_curve(rows: Sequence[Row]) -> None:
    """The table."""
    nodes = "".join(f"{f'{n} nodes' if n > 1 else '1 node':>11}" for n in NODES)
    print(
        f"\n{'texts':>14}{'core hours':>12}{'driver h':>10}{nodes}{'pool GiB':>10}{'results GiB':>13}{'driver MiB':>12}"
    )
    for row in rows:
        hours = "".join(f"{each:>9,.2f} h" for each in row.hours)
        print(
            f"{row.texts:>14,}{row.core_hours:>12,.1f}{row.driver_hours:>10,.2f}{hours}{row.pool_gib:>10,.1f}"
            f"{row.results_gib:>13,.1f}{row.driver_mib:>12,.0f}"
        )
