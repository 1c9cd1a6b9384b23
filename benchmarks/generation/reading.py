"""Are generated texts readable? A blind sheet of generated and real texts, and its evaluation.

Usage: python -m benchmarks.generation.reading sheet --made BATCH.jsonl [BATCH.jsonl ...] --real WHICH --output FOLDER
       python -m benchmarks.generation.reading score FOLDER ANSWERS.csv [ANSWERS.csv ...]

`sheet` samples generated texts from each batch (`--n`, 100) and real texts (`--n-real`, 30) from a csv file with a
column `text`, or from a pool of the package: `everyday` or `ladder`. It shuffles them and writes `sheet.csv` (number,
text) and, only for `score`, `key.json`; a text of several batches is listed once. A rater sees the sheet and writes a
csv file with columns `number` and `readable` (yes or no). The question is: *could a careful person say what
happens or what is claimed here, well enough to judge it?* Odd style and spelling do not make a text unreadable; a text
without sense is unreadable.

`score` prints, for the generated texts of each batch and for the real texts, how many each rater found unreadable, with
Wilson intervals, and the agreement of two raters. The last line is one JSON object.

Content note: the sheets of ToxiGen contain hateful statements.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from pathlib import Path
from typing import Any

from benchmarks._common import finish
from vos.data import load_embedded
from vos.labeling import read_jsonl
from vos.metrics import wilson_interval

CORPORA = ("everyday", "ladder")

REAL = "real"
"""Kind of the texts that nobody made; others are called `made`, or by their batch where there are several."""


def sheet(batches: list[Path], real: str, output: Path, n: int, n_real: int, seed: int) -> None:
    """Write `sheet.csv` and `key.json`."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    drawn: list[tuple[str, str]] = []
    for batch in batches:
        written = [record.text for record in read_jsonl(batch) if record.provenance.is_made]
        kind = "made" if len(batches) == 1 else str(batch)
        drawn += [(text, kind) for text in draw.sample(written, min(n, len(written)))]
    if real in CORPORA:
        others = [example.text for example in load_embedded(real).pool]
    else:
        with Path(real).open(newline="", encoding="utf-8") as file:
            others = [row["text"] for row in csv.DictReader(file)]
    drawn += [(text, REAL) for text in draw.sample(others, n_real)]
    kinds: dict[str, list[str]] = {}
    for text, kind in drawn:
        kinds.setdefault(text, []).append(kind)
    texts = draw.sample(list(kinds), len(kinds))
    output.mkdir(parents=True, exist_ok=True)
    with (output / "sheet.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "text"])
        writer.writerows(enumerate(texts, 1))
    key = {number: kinds[text] for number, text in enumerate(texts, 1)}
    (output / "key.json").write_text(json.dumps(key, allow_nan=False), encoding="utf-8")
    print(f"{len(texts)} texts: {output / 'sheet.csv'}")


def read_answers(path: Path, numbers: set[int]) -> dict[int, bool]:
    """Whether each text could be read."""
    with path.open(newline="", encoding="utf-8") as file:
        answers = {int(row["number"]): row["readable"].strip().lower() for row in csv.DictReader(file)}
    if answers.keys() != numbers or not set(answers.values()) <= {"yes", "no"}:
        raise SystemExit(
            f"{path}: expected yes or no for each of {len(numbers)} numbers, found {len(answers)} answers, "
            f"{sorted(numbers - answers.keys())[:5]} missing, values {sorted(set(answers.values()))[:5]}"
        )
    return {number: answer == "yes" for number, answer in answers.items()}


def score(folder: Path, paths: list[Path]) -> dict[str, Any]:
    """Shares of unreadable texts by reader, and agreement."""
    key = {int(k): v for k, v in json.loads((folder / "key.json").read_text("utf-8")).items()}
    readers = [read_answers(path, set(key)) for path in paths]
    result: dict[str, Any] = {"readers": len(readers)}
    kinds = {kind: [n for n, own in key.items() if kind in own] for own in key.values() for kind in own}
    for name, numbers in kinds.items():
        for place, answers in enumerate(readers, 1):
            bad = sum(not answers[n] for n in numbers)
            low, high = wilson_interval(bad, len(numbers))
            result[f"{name}/reader {place}"] = [bad, len(numbers), round(low, 3), round(high, 3)]
        result[f"{name}/every reader"] = [sum(not any(a[n] for a in readers) for n in numbers), len(numbers)]
        result[f"{name}/any reader"] = [sum(not all(a[n] for a in readers) for n in numbers), len(numbers)]
    if len(readers) == 2:
        same = [readers[0][n] == readers[1][n] for n in key]
        shares = [sum(answers.values()) / len(key) for answers in readers]
        chance = shares[0] * shares[1] + (1 - shares[0]) * (1 - shares[1])
        observed = sum(same) / len(same)
        result["agreement"] = round(observed, 3)
        result["kappa"] = round((observed - chance) / (1 - chance), 3) if chance < 1 else None
    return result


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("sheet")
    first.add_argument("--made", type=Path, nargs="+", required=True)
    first.add_argument("--real", default="everyday")
    first.add_argument("--output", type=Path, required=True)
    first.add_argument("--n", type=int, default=100)
    first.add_argument("--n-real", type=int, default=30)
    first.add_argument("--seed", type=int, default=0)
    second = commands.add_parser("score")
    second.add_argument("folder", type=Path)
    second.add_argument("answers", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "sheet":
        sheet(options.made, options.real, options.output, options.n, options.n_real, options.seed)
        return
    result = score(options.folder, options.answers)
    for name, value in result.items():
        print(f"{name}: {value}")
    finish(result)


if __name__ == "__main__":
    main()
