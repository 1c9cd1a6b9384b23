"""Shared by all benchmarks: the command line, the final JSON line, fresh processes, the folder of public data."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from vos.storage.json_files import finite

ROOT = Path(__file__).parent.parent
MODEL_CACHE = Path(os.environ.get("VOS_CACHE", ROOT / ".cache/vos")) / "models"
PUBLIC_DATA = (
    "the folder with clinc150/data_full.json (clinc/oos-eval), toxigen/toxigen.json (microsoft/SafeNLP) and "
    "cad_sentiment/*_paired.tsv (acmi-lab/counterfactually-augmented-data)"
)


def command_line(
    description: str | None, quick: str = "a small size, for a check that everything runs"
) -> argparse.ArgumentParser:
    """A parser that keeps the lines of the description and knows `--quick`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=quick)
    return parser


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Warnings are not logged meanwhile, in the whole process: where thousands of files or runs would each say them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def page_command_line(
    description: str | None, kept: Path, page: Path, folders: str = "--units"
) -> argparse.ArgumentParser:
    """A parser for what writes a page from a file of kept figures.

    Args:
        description: see `command_line`.
        kept: where the figures are kept.
        page: where the page is written.
        folders: the option that names output folders of the benchmark, whose figures are kept first.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(folders, nargs="+", type=Path, default=[], help="output folders of the benchmark")
    parser.add_argument("--kept", type=Path, default=kept, help="the figures")
    parser.add_argument("--page", type=Path, default=page)
    return parser


def add_seeds(parser: argparse.ArgumentParser) -> None:
    """The option `--seeds`, which `n_seeds` reads."""
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 1")


def n_seeds(options: argparse.Namespace) -> int:
    """How many seeds are asked for."""
    return options.seeds or (1 if options.quick else 5)


def output_folder(options: argparse.Namespace, name: str) -> Path:
    """`--output`, or a folder of the benchmark's own for each of its sizes."""
    return options.output or ROOT / "outputs/benchmarks" / f"{name}{'-quick' if options.quick else ''}"


def print_figures(figures: Mapping[str, float]) -> None:
    """A line for each figure."""
    for name, value in figures.items():
        print(f"{name:28} {value:,.3f}")


def finish(figures: Mapping[str, object]) -> None:
    """The last line: one JSON object, with null for what is not finite (the interval of a single seed)."""
    print(json.dumps(finite(figures), allow_nan=False), flush=True)


def machine() -> str:
    """Kind of processor, its cores, and the threads that torch uses."""
    return f"{platform.machine()}, {os.cpu_count()} CPU cores, threads: {torch.get_num_threads()}"


def fresh_process(module: str, *arguments: str) -> str:
    """The last line that `python -m module` prints, in a process whose peak memory is its own."""
    command = [sys.executable, "-m", module, *arguments]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return output.splitlines()[-1]


def skip_without_public_data() -> None:
    """End with one line, and without an error, where the variable VOS_DATA is not set."""
    if not os.environ.get("VOS_DATA"):
        finish({"skipped": f"the variable VOS_DATA is not set: it names {PUBLIC_DATA}"})
        raise SystemExit(0)


def public_data(*parts: str) -> Path:
    """The folder in VOS_DATA, which must hold these files."""
    folder = Path(os.environ["VOS_DATA"])
    for part in parts:
        if not (folder / part).is_file():
            raise SystemExit(
                f"{folder / part}: expected a public data set, found nothing; VOS_DATA names {PUBLIC_DATA}"
            )
    return folder
