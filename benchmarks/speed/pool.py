"""Scoring a pool: throughput compared with the bare encoder, and peak memory against pool size.

`python -m benchmarks.speed.pool [--quick] [--texts N]`. Throughput compares, in one process with one thread, selecting
a batch from a pool with the bare encoder called in float32 on the same texts, already tokenised and padded. Seconds are
processor seconds, so that other load on the machine does not count. Memory is the peak resident set of one fresh
process per pool size. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from benchmarks._common import command_line, finish, fresh_process, machine, print_figures
from vos.cli.scoring import FAST_FROM
from vos.data import ListPool, TextData, load_embedded
from vos.density import ClassConditionalGaussian
from vos.mining.coverage import CoverageSettings
from vos.mining.retrieve import Search, retrieve
from vos.mining.targets import Potential, TargetSpace
from vos.models import ClassifierFeaturizer, EncoderClassifier, FeatureCache
from vos.models.openvino_encoder import OpenVinoEncoder
from vos.outliers import BoundarySampler
from vos.storage.environment import peak_memory_mib
from vos.synthesis.acquire import acquire
from vos.synthesis.job import SynthesisJob, SynthesisSettings
from vos.types import Example, token_batch, tokenize

NAMES = ("harmless", "harmful")
T = TypeVar("T")


def texts() -> list[str]:
    """Every text of the embedded corpus."""
    data = load_embedded("ladder")
    return [e.text for e in (*data.train, *data.val, *data.test, *data.pool)]


def stream(n: int) -> Iterator[Example]:
    """`n` different texts made from the corpus: each round numbers the texts anew."""
    base = texts()
    for i in range(n):
        yield Example(f"p{i}", f"{i // len(base)}. {base[i % len(base)]}")


def scoring(classifier: EncoderClassifier, cache: FeatureCache | None) -> tuple:
    """Everything that one pass of the retrieval needs, fitted on 400 texts with made-up labels."""
    featurizer = ClassifierFeaturizer(classifier, cache)
    batch = ClassifierFeaturizer(classifier).featurize(texts()[:400])
    density = ClassConditionalGaussian(2, classifier.n_features).fit(batch.features, torch.arange(400) % 2)
    space = TargetSpace.fit(batch.features, density, featurizer.head, (1,), 8)
    sampler = BoundarySampler(margin=0.0, band=1.0, distance=None)
    outliers = sampler(density, featurizer.head, 64, torch.Generator().manual_seed(0))
    return featurizer, density, space, space.targets(outliers)


def score(n: int, parts: tuple) -> float:
    """Seconds to stream `n` texts through the retrieval."""
    featurizer, density, space, targets = parts
    started = time.perf_counter()
    search = Search(density, space, targets, Potential(), per_target=20, n_random=24, chunk_size=1024)
    found = retrieve(stream(n), featurizer, search, torch.Generator().manual_seed(0))
    assert found.n_scored == n
    return time.perf_counter() - started


def throughput(n: int) -> dict[str, float | bool]:
    """Texts a second: the bare float32 encoder on ready batches, and a whole synthesis's pass over the pool.

    The pass is that of `acquisition=coverage` with a cache of features: in bfloat16, and what decides in float32
    (`precision=auto` on a processor that gains from it); the same by OpenVINO where it is installed; in float32
    throughout. Each must choose the batch that the features of the bare encoder choose.
    """
    classifier = EncoderClassifier("bundled", NAMES, max_length=64, harmful=(1,)).eval()
    examples = list(stream(n))
    bare, features = _bare(classifier, examples)
    figures: dict[str, float | bool] = {"texts": n, "bare_texts_per_s": n / bare.processor}
    ways: dict[str, Callable[[FeatureCache], ClassifierFeaturizer] | None] = {
        "float32": None,
        "bfloat16": lambda cache: ClassifierFeaturizer(classifier, cache, bfloat16=True),
    }
    if importlib.util.find_spec("openvino") is not None:
        encode = OpenVinoEncoder(classifier, bfloat16=True)
        ways["openvino"] = lambda cache: ClassifierFeaturizer(classifier, cache, encode=encode)
    with tempfile.TemporaryDirectory() as folder:
        with FeatureCache(Path(folder) / "bare", "bare", classifier.n_features) as cache:
            cache.put([example.text for example in examples], features)
            expected = _chosen(_job(classifier, cache, None, examples), Path(folder))
        for name, fast in ways.items():
            caches = [FeatureCache(Path(folder) / name, each, classifier.n_features) for each in ("exact", "rough")]
            with caches[0], caches[1]:
                work = _job(classifier, caches[0], fast and fast(caches[1]), examples)
                first, chosen = _timed(partial(_chosen, work, Path(folder)))
                again, _ = _timed(partial(_chosen, work, Path(folder)))
            figures |= {
                f"{name}_texts_per_s": n / first.processor,
                f"{name}_speedup": bare.processor / first.processor,
                f"{name}_speedup_by_the_clock": bare.wall / first.wall,
                f"{name}_same_batch": chosen == expected,
                f"{name}_cached_texts_per_s": n / again.processor,
            }
    # Smaller pools are scored in float32.
    default = "bfloat16" if n >= FAST_FROM * CoverageSettings().supply else "float32"
    return figures | {
        "speedup": figures[f"{default}_speedup"],
        "same_batch": all(figures[f"{name}_same_batch"] for name in ways),
        "cached_texts_per_s": figures[f"{default}_cached_texts_per_s"],
    }


class _Seconds(NamedTuple):
    """Of all threads of this process, and by the clock."""

    processor: float
    wall: float


def _timed(work: Callable[[], T]) -> tuple[_Seconds, T]:
    started = time.process_time(), time.perf_counter()
    done = work()
    return _Seconds(time.process_time() - started[0], time.perf_counter() - started[1]), done


def _bare(classifier: EncoderClassifier, examples: list[Example]) -> tuple[_Seconds, Tensor]:
    """Seconds of the encoder alone, in float32, on batches that are tokenised and padded already; and its features."""
    padding, featurizer = classifier.tokenizer.pad_token_id, ClassifierFeaturizer(classifier)
    batches, order = [], []
    for start in range(0, len(examples), 1024):
        ids = tokenize(classifier.tokenizer, [e.text for e in examples[start : start + 1024]], 64)
        for rows in featurizer._batches(sorted(range(len(ids)), key=lambda i: len(ids[i])), ids):
            batches.append(token_batch([ids[i] for i in rows], padding))
            order += [start + row for row in rows]
    with torch.no_grad():
        classifier.encode(batches[0])
        seconds, found = _timed(lambda: [classifier.encode(batch) for batch in batches])
    features = torch.empty(len(examples), classifier.n_features)
    features[torch.tensor(order)] = torch.cat(found)
    return seconds, features


def _job(
    classifier: EncoderClassifier, exact: FeatureCache, fast: ClassifierFeaturizer | None, examples: list[Example]
) -> SynthesisJob:
    """A synthesis over the texts; it knows 400 texts with made-up labels, which are scored before the clock starts."""
    featurizer = ClassifierFeaturizer(classifier, exact)
    known = [Example(f"known{i}", text, i % 2) for i, text in enumerate(texts()[:400])]
    batch = featurizer.featurize([example.text for example in known])
    labels = torch.tensor([example.label for example in known])
    density = ClassConditionalGaussian(2, classifier.n_features).fit(batch.features, labels)
    density.calibrate(batch.features, labels)
    data = TextData(known, known[:100], [], ListPool(examples), NAMES, [], harmful=(1,))
    sampler = BoundarySampler(margin=0.0, band=1.0, distance=None)
    work = SynthesisJob(featurizer, density, sampler, data, SynthesisSettings(), fast=fast)
    work.error_model.report  # noqa: B018 - fitted before the clock starts
    return work


def _chosen(work: SynthesisJob, folder: Path) -> list[str]:
    return [each.example.id for each in acquire(work, folder / "made.jsonl").selection.chosen]


def peak_memory(n: int) -> float:
    """Peak resident MiB of a fresh process that scores `n` texts with a tiny encoder (its cost is constant)."""
    return float(fresh_process("benchmarks.speed.pool", "--child", str(n)))


def child(n: int) -> None:
    """Score `n` texts and print the peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        classifier = tiny_classifier(Path(folder))
        with FeatureCache(folder, "benchmark", classifier.n_features) as cache:
            score(n, scoring(classifier, cache))
    print(peak_memory_mib())


def tiny_classifier(folder: Path) -> EncoderClassifier:
    """One layer, d = 32, the bundled tokenizer."""
    tokenizer = EncoderClassifier("bundled", NAMES).tokenizer
    config = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return EncoderClassifier(str(folder), NAMES, max_length=32)


def main() -> None:
    """Print the table and the JSON line."""
    parser = command_line(__doc__, quick="20,000 texts in place of 100,000, and small sizes for memory")
    parser.add_argument("--texts", type=int, help="texts of the pool for throughput")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    torch.set_num_threads(1)
    figures = throughput(arguments.texts or (20_000 if arguments.quick else 100_000))
    small, large = (1_000, 4_000) if arguments.quick else (10_000, 100_000)
    figures |= {"peak_mib_small": peak_memory(small), "peak_mib_large": peak_memory(large)}
    figures |= {"pool_small": small, "pool_large": large}
    figures["memory_growth"] = figures["peak_mib_large"] / figures["peak_mib_small"]
    print_figures(figures)
    finish(figures | {"machine": machine()})


if __name__ == "__main__":
    main()
