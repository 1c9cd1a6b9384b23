"""Can a language model recognise its own nonsense? Drafts without targets: blind ratings against model scores.

Usage: python -m benchmarks.generation.fluency draft --output FOLDER [--model bundled|large|FOLDER] [--n 100]
       python -m benchmarks.generation.fluency judge FOLDER [--model bundled|large|FOLDER] [--values mean asked]
       python -m benchmarks.generation.fluency score FOLDER ANSWERS.csv

`draft` lets the model continue beginnings of pool texts of the packaged corpus, after six labelled texts of both sides,
with the default sampling of the programs. Texts that break a rule or are not new are dropped; `--n` of the others and
`--n-real` real ones are shuffled into `sheet.csv` (number, text) and `key.json`; see `benchmarks.generation.reading`
for how the sheet is rated. No classifier is involved.

`judge` asks a model, without a prompt, how likely the texts of the sheet and `--reference` other real texts are:
`mean`, log-probability per token; `order`, gain per word over the same words shuffled (mean of four shuffles); `worst`,
the least likely four consecutive tokens; `asked`, log-odds of yes against no if the model is asked in a chat whether
the text makes sense. Each value is the residual of a linear function of the log number of words, fitted to the other
real texts. The values are added to `values-MODEL.json`.

`score` prints, for every judged file, the AUROC of each value as a detector of nonsense among generated texts, and how
many generated texts, and how many senseless ones, remain if a text must reach the 5th, 10th, 20th and 30th percentile
of the other real texts. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import MODEL_CACHE, finish
from benchmarks.generation.reading import read_answers
from vos.data import load_embedded
from vos.generation.language_model import LanguageModel
from vos.generation.particles import Sampling
from vos.generation.rules import Novelty, TextRules, has_debris
from vos.metrics import auroc, wilson_interval
from vos.types import Example

CORPUS = "everyday"
SAMPLING = Sampling(temperature=0.5, top_p=0.9)
SHOTS, BEGINNINGS, COPIES = 3, 8, 2
"""Examples from each side, texts that are begun after one prompt, and drafts of each."""

VALUES = ("mean", "order", "worst", "asked")
QUANTILES = (0.05, 0.1, 0.2, 0.3)


def prompt_of(train: Sequence[Example], draw: random.Random) -> tuple[str, list[str]]:
    """Six texts, three of each label, as a list that goes on."""
    shots = [
        example.text
        for label in (0, 1)
        for example in draw.sample([e for e in train if e.label == label and len(e.text.split()) <= 40], SHOTS)
    ]
    draw.shuffle(shots)
    return "".join(f"- {text}\n" for text in shots) + "-", shots


def drafted(model: LanguageModel, n: int, seed: int) -> tuple[list[str], dict[str, Any]]:
    """`n` new texts that break no rule, at most one of a beginning, and what they cost."""
    data, draw = load_embedded(CORPUS), random.Random(seed)  # noqa: S311 - no secret
    train = [example for example in data.train if not has_debris(example.text)]
    pool = [example.text for example in data.pool if not has_debris(example.text) and len(example.text.split()) >= 8]
    draw.shuffle(pool)
    novelty, rules, found = Novelty([e.text for e in (*data.train, *data.pool)]), TextRules(), []
    extender = model.extender(SAMPLING, torch.Generator().manual_seed(seed))
    tried, started = 0, time.monotonic()
    while len(found) < n:
        if len(pool) < BEGINNINGS:
            raise SystemExit(f"expected {n} texts, found {len(found)} in {tried} drafts; ask for fewer with --n")
        prompt, shots = prompt_of(train, draw)
        own = [pool.pop() for _ in range(BEGINNINGS)]
        begun = [" ".join(text.split()[: round(draw.uniform(0.25, 0.4) * len(text.split()))]) for text in own]
        particles = model.with_beginnings(model.start(prompt, 1, SAMPLING.max_tokens), begun)
        particles = particles.select([row for row in range(BEGINNINGS) for _ in range(COPIES)])
        extender.extend(particles)
        texts, similar = particles.texts(), novelty.similarity(particles.texts())
        tried += len(texts)
        for row in range(BEGINNINGS):
            sound = [
                texts[i]
                for i in range(row * COPIES, (row + 1) * COPIES)
                if rules.broken(texts[i], shots, ended=particles.finished[i]) is None and similar[i] < 0.7
            ]
            found += sound[:1]
        print(f"{len(found)} of {n}, {time.monotonic() - started:.0f} s", flush=True)
    return found[:n], {"tokens": extender.cost.lm_tokens, "tried": tried}


def draft(options: argparse.Namespace) -> None:
    """Write the sheet and its key."""
    model = LanguageModel.load(options.model, MODEL_CACHE)
    texts, cost = drafted(model, options.n, options.seed)
    draw = random.Random(options.seed)  # noqa: S311 - no secret
    real = [example.text for example in load_embedded(CORPUS).test]
    rows = [*((text, "made") for text in texts), *((text, "real") for text in draw.sample(real, options.n_real))]
    draw.shuffle(rows)
    options.output.mkdir(parents=True, exist_ok=True)
    with (options.output / "sheet.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("number", "text"), *((i, text) for i, (text, _) in enumerate(rows, 1))])
    key = {i: [kind] for i, (_, kind) in enumerate(rows, 1)}
    (options.output / "key.json").write_text(json.dumps(key, allow_nan=False), encoding="utf-8")
    finish({"model": options.model, "dtype": str(model.model.dtype), "seed": options.seed, "n": len(texts), **cost})


QUESTION = (
    "Somebody wrote this short text. Does it make sense, so that a reader can say what happens or what is claimed? "
    "Answer Yes or No.\n\nText: {text}"
)


def asked(model: LanguageModel, text: str) -> float:
    """Log-odds of the answer Yes against No."""
    chat = [{"role": "user", "content": QUESTION.format(text=text)}]
    prompt = model.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    logits = model.start(prompt, 1, 1).next_logits([0])[0]
    yes, no = (model.tokenizer.encode(word, add_special_tokens=False)[0] for word in ("Yes", "No"))
    return float(logits[yes] - logits[no])


def value(name: str, model: LanguageModel, text: str) -> float:
    """One of the values of a text, before its length is taken out."""
    if name == "asked":
        return asked(model, text)
    tokens, words = model.log_probabilities(text).double(), text.split()
    if name == "mean":
        return float(tokens.mean())
    if name == "worst":
        return float(tokens.unfold(0, min(4, len(tokens)), 1).mean(1).min())
    draw = random.Random(text)  # noqa: S311 - no secret
    shuffled = [float(model.log_probabilities(" ".join(draw.sample(words, len(words)))).sum()) for _ in range(4)]
    return (float(tokens.sum()) - float(np.mean(shuffled))) / len(words)


def judge(options: argparse.Namespace) -> None:
    """Write the values of the texts of a sheet and of other real texts."""
    model = LanguageModel.load(options.model, MODEL_CACHE)
    with (options.folder / "sheet.csv").open(newline="", encoding="utf-8") as file:
        texts = {row["number"]: row["text"] for row in csv.DictReader(file)}
    draw = random.Random(options.seed)  # noqa: S311 - no secret
    known = [e.text for e in load_embedded(CORPUS).val if not has_debris(e.text) and e.text not in texts.values()]
    others = draw.sample(known, min(options.reference, len(known)))
    lengths = np.log([len(text.split()) for text in (*others, *texts.values())])
    name = "".join(c if c.isalnum() else "-" for c in options.model)
    path, started = options.folder / f"values-{name}.json", time.monotonic()
    result = json.loads(path.read_text("utf-8")) if path.exists() else {"numbers": list(texts)}
    for kind in options.values:
        column = np.array([value(kind, model, text) for text in (*others, *texts.values())])
        left = column - np.polyval(np.polyfit(lengths[: len(others)], column[: len(others)], 1), lengths)
        result[kind] = {"real": left[: len(others)].tolist(), "sheet": left[len(others) :].tolist()}
        path.write_text(json.dumps(result, allow_nan=False), encoding="utf-8")
        print(f"{kind} of {len(column)} texts after {time.monotonic() - started:.0f} s: {path.name}", flush=True)


def score(folder: Path, answers: Path) -> dict[str, Any]:
    """What the values say of nonsense."""
    key = {int(n): kinds for n, kinds in json.loads((folder / "key.json").read_text("utf-8")).items()}
    readable = read_answers(answers, set(key))
    made = [n for n, kinds in key.items() if "made" in kinds]
    bad = np.array([not readable[n] for n in made])
    counted = [int(bad.sum()), len(made), *(round(x, 3) for x in wilson_interval(int(bad.sum()), len(made)))]
    result: dict[str, Any] = {"made": counted, "real": [sum(not readable[n] for n in key if n not in made)]}
    for path in sorted(folder.glob("values-*.json")):
        content = json.loads(path.read_text("utf-8"))
        place = {int(n): i for i, n in enumerate(content["numbers"])}
        for name in filter(content.get, VALUES):
            own = np.array([content[name]["sheet"][place[n]] for n in made])
            found: dict[str, Any] = {}
            if 0 < bad.sum() < len(bad):
                found["auroc"] = round(float(auroc(torch.from_numpy(-own[~bad]), torch.from_numpy(-own[bad]))), 3)
            for q in QUANTILES:
                kept = own >= np.quantile(content[name]["real"], q)
                found[f"kept at {q}"] = [int(kept.sum()), int((kept & bad).sum())]
            result[f"{path.stem.removeprefix('values-')}/{name}"] = found
    return result


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    first, second, third = (commands.add_parser(name) for name in ("draft", "judge", "score"))
    first.add_argument("--output", type=Path, required=True)
    first.add_argument("--n", type=int, default=100)
    first.add_argument("--n-real", type=int, default=30)
    second.add_argument("folder", type=Path)
    second.add_argument("--reference", type=int, default=150)
    second.add_argument("--values", nargs="+", choices=VALUES, default=VALUES)
    for each in (first, second):
        each.add_argument("--model", default="bundled")
        each.add_argument("--seed", type=int, default=0)
    third.add_argument("folder", type=Path)
    third.add_argument("answers", type=Path)
    options = parser.parse_args()
    if options.command == "score":
        result = score(options.folder, options.answers)
        for name, value in result.items():
            print(f"{name}: {value}")
        finish(result)
    else:
        {"draft": draft, "judge": judge}[options.command](options)


if __name__ == "__main__":
    main()
