"""The cost of large inputs: `python -m benchmarks.load [--quick]`, each part in its own process.

Ledgers of 10^5 and 10^6 texts with three answers each, the labelling page with 2,000 texts, a training set of 10^5
texts, a comparison of 500 run folders. Finished parts are not repeated. The last line is one JSON object:
`PART/FIGURE`, and for the ledger the ratio of the times of both sizes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks._common import command_line, finish, fresh_process, machine, output_folder
from vos.storage.json_files import read_json, write_json

LEDGERS = (100_000, 1_000_000)
QUICK_LEDGERS = (300, 3_000)
PARTS = ("keys", "sweep", "training_set")


def main() -> None:
    """Do what is not done yet; print the JSON line."""
    options = _options()
    out = output_folder(options, "load")
    sizes = options.ledgers or (QUICK_LEDGERS if options.quick else LEDGERS)
    quick = ["--quick"] if options.quick else []
    figures: dict[str, Any] = {"machine": machine()}
    for size in sizes:
        figures |= _part(out, f"ledger_{size}", "ledger", "--texts", str(size))
    for name in ("propose", "export", "import", "consensus", "state"):
        times = [figures[f"ledger_{size}/{name}_cpu_s"] for size in sizes]
        figures[f"ledger/{name}_ratio"] = times[-1] / times[0]
    for part in options.parts:
        more = ["--train"] if part == "training_set" and options.train else []
        figures |= _part(out, part, part, *quick, *more)
    write_json(out / "figures.json", figures)
    finish(figures)


def _part(out: Path, name: str, module: str, *arguments: str) -> dict[str, Any]:
    file = out / f"{name}.json"
    if not file.exists():
        print(f"{name} ...", flush=True)
        write_json(file, json.loads(fresh_process(f"benchmarks.load.{module}", *arguments)))
    return {f"{name}/{key}": value for key, value in read_json(file).items()}


def _options() -> argparse.Namespace:
    parser = command_line(__doc__)
    parser.add_argument("--ledgers", nargs="+", type=int, help="texts of the ledgers, default 10^5 and 10^6")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--train", action="store_true", help="train on the training set, the encoder frozen")
    parser.add_argument("--output", type=Path, help="default outputs/benchmarks/load")
    return parser.parse_args()


if __name__ == "__main__":
    main()
