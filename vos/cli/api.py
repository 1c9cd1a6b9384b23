"""The command-line programs as functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vos.cli.compose import composed
from vos.cli.groups import with_groups
from vos.cli.overrides import quoted_path, refuse_old_names
from vos.synthesis.synthesize import SynthesisResult


def synthesize(
    run: str | Path, n: int = 100, *, output: str | Path | None = None, overrides: Sequence[str] = ()
) -> SynthesisResult:
    """Choose near-boundary texts for people to label, from a finished run; the same as `python -m vos synthesize`.

    Args:
        run: directory of the run.
        n: number of texts.
        output: folder of the files; None: the folder of the run.
        overrides: further settings as on the command line, such as "outliers.margin=1.0".

    Raises:
        VosError: the run, a setting or the pool cannot be used.

    Example:
        vos.synthesize("outputs/run", 200, output="batch", overrides=["labeling=none", "pool.path=texts.csv"])
    """
    from vos.cli.synthesize import run_synthesis

    refuse_old_names(overrides)
    own = [f"run={quoted_path(run)}", f"n={n}", *([] if output is None else [f"output={quoted_path(output)}"])]
    return run_synthesis(composed("synthesize", with_groups("synthesize", [*own, *overrides])))
