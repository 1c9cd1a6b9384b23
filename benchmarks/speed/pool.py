"""Score a pool: throughput against the bare encoder, and peak memory against pool size.

`python -m benchmarks.speed.pool [--quick]`. Throughput compares, in one process and at equal token count, `featurize`
through the streaming retrieval with the encoder called on the same batches, already tokenised and padded. Memory is the
peak resident set of one fresh process for each pool size. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from benchmarks._common import command_line, finish, fresh_process, machine, print_figures
from vos.data import load_embedded
from vos.data.batching import token_batch
from vos.density import ClassConditionalGaussian
from vos.mining.retrieve import Search, retrieve
from vos.mining.targets import Potential, TargetSpace
from vos.models import ClassifierFeaturizer, EncoderClassifier, FeatureCache
from vos.outliers import BoundarySampler
from vos.storage.environment import peak_memory_mib
from vos.types import Example

NAMES = ("harmless", "harmful")


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


def throughput(n: int) -> dict[str, float]:
    """Texts a second: the bare encoder on ready batches, and the whole retrieval with its cache."""
    classifier = EncoderClassifier("bundled", NAMES, max_length=64).eval()
    with tempfile.TemporaryDirectory() as folder, FeatureCache(folder, "benchmark", classifier.n_features) as cache:
        parts = scoring(classifier, cache)
        bare, padding = ClassifierFeaturizer(classifier), classifier.tokenizer.pad_token_id
        examples = list(stream(n))
        batches = []
        for start in range(0, n, 1024):
            part = [e.text for e in examples[start : start + 1024]]
            ids = classifier.tokenizer(part, truncation=True, max_length=64)["input_ids"]
            order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
            batches += [token_batch([ids[i] for i in rows], padding) for rows in bare._batches(order, ids)]
        with torch.no_grad():
            classifier.encode(batches[0])
            started = time.perf_counter()
            for batch in batches:
                classifier.encode(batch)
            bare_seconds = time.perf_counter() - started
        ours = score(n, parts)
        again = score(n, parts)
    return {
        "texts": n,
        "bare_texts_per_s": n / bare_seconds,
        "pool_texts_per_s": n / ours,
        "pool_share_of_bare": bare_seconds / ours,
        "cached_texts_per_s": n / again,
    }


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
    parser = command_line(__doc__, quick="small sizes, under a minute")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    figures = throughput(1_000 if arguments.quick else 6_000)
    small, large = (1_000, 4_000) if arguments.quick else (10_000, 100_000)
    figures |= {"peak_mib_small": peak_memory(small), "peak_mib_large": peak_memory(large)}
    figures |= {"pool_small": small, "pool_large": large}
    figures["memory_growth"] = figures["peak_mib_large"] / figures["peak_mib_small"]
    print_figures(figures)
    finish(figures | {"machine": machine()})


if __name__ == "__main__":
    main()
