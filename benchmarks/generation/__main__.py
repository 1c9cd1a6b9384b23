"""Texts generated for virtual outliers: how near each method gets for the same number of language-model tokens.

Usage: python -m benchmarks.generation [--quick] [--corpus embedded|FILE.csv] [--run RUN] [--seeds N] [--state FILE]

Arms that cost tokens: `plain` samples, `smc` (sequential Monte Carlo), `mcmc` (Metropolis-Hastings suffix moves
from the nearest real texts) and `drafts` (the search that the programs use). Every arm gets the same targets, the
same prompts and the same number of tokens per target. Arms without further tokens: `best of 8` (the nearest of every 8
plain samples), `placebo` (the texts of `drafts`, each evaluated for a target other than its own), `retrieval` (pool
texts, on which nothing was trained) and `ladder` (retrieval, and drafts where it finds nothing).

The classifier is that of a finished run (`--run`), otherwise the frozen bundled encoder with a logistic regression.
Targets are sampled with margins from -2 to 2; only those with a real text within `--max-start` and in the band get
tokens, the same targets in all arms. With `--state` every finished unit is stored, and a call with the same settings
resumes an interrupted one; with fewer `--arms` the others are left for a later call.

The last line is one JSON object. What is counted is described in `figures.py`.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import torch

from benchmarks._common import MODEL_CACHE, add_seeds, command_line, finish, n_seeds, without_warnings
from benchmarks.generation.arms import Size, arms, units
from benchmarks.generation.figures import Unit
from benchmarks.generation.summary import summary, table
from benchmarks.generation.world import add_world, read_world
from vos.storage.json_files import finite


def parse() -> tuple[argparse.Namespace, Size]:
    """Options, and how much is run."""
    parser = command_line(__doc__)
    add_seeds(parser)
    add_world(parser)
    parser.add_argument("--cache", type=Path, default=MODEL_CACHE)
    parser.add_argument("--arms", nargs="+", default=list(arms(1)))
    parser.add_argument("--state", type=Path, help="where finished units are kept")
    parser.add_argument("--targets", type=int)
    parser.add_argument("--tokens", type=int, help="for each target and arm")
    parser.add_argument("--directions", type=int, default=8)
    parser.add_argument("--radius", type=float, default=1.25)
    parser.add_argument("--delta", type=float, default=0.5)
    parser.add_argument("--beta", type=float, default=4.0)
    parser.add_argument("--max-start", type=float, default=1.1)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--top-p", type=float, default=0.9)
    options = parser.parse_args()
    options.seeds = n_seeds(options)
    size = Size(500, 32, 2, 150) if options.quick else Size(3500, 64, 4, 1000)
    return options, replace(size, targets=options.targets or size.targets, tokens=options.tokens or size.tokens)


def read_state(options: argparse.Namespace, size: Size) -> list[Unit]:
    """Units that a former call with the same settings has kept; a new file is begun where there is none."""
    if options.state is None:
        return []
    settings = {key: str(value) for key, value in vars(options).items() if key not in ("state", "seeds", "arms")}
    header = json.dumps({"settings": settings | asdict(size)}, allow_nan=False)
    if not options.state.exists():
        options.state.write_text(header + "\n", encoding="utf-8")
    first, *lines = options.state.read_text(encoding="utf-8").splitlines()
    if first != header:
        raise SystemExit(f"{options.state} belongs to other settings: {first}; name another file")
    return [Unit.from_dict(json.loads(line)) for line in lines if line.endswith("}")]


@without_warnings()
def main() -> None:
    """Make what is missing and print the table."""
    options, size = parse()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    torch.set_num_threads(1)
    kept = read_state(options, size)
    world = read_world(options, size.train)
    space = world.space(options.directions)
    for unit in units(world, space, options, size, kept):
        kept.append(unit)
        print(f"seed {unit.seed} target {unit.target} {unit.arm}: {unit.tokens} tokens", flush=True)
        if options.state is not None:
            with options.state.open("a", encoding="utf-8") as file:
                file.write(json.dumps(finite(asdict(unit)), allow_nan=False) + "\n")
    result = summary(world, space, options, size, kept)
    print(table(result))
    finish(result)


if __name__ == "__main__":
    main()
