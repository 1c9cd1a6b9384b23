"""Searching a pool of a million texts, exactly and approximately: seconds, recall and peak memory.

`python -m benchmarks.speed.retrieval [--quick]`. Features are synthetic, d = 384 in float32: 2,000 centres with noise
around them, whose 24 leading directions span the search space; no encoder runs. They pass through the same store on
disk, the same search and the same potential as the texts of a synthesis. Each step runs in a fresh process, whose peak
resident set is measured. 128 targets, 20 texts each. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks._common import command_line, finish, fresh_process, machine, print_figures
from vos.density import ClassConditionalGaussian
from vos.mining.index import ApproximateSettings
from vos.mining.indexed import retrieve_indexed
from vos.mining.pool_features import PoolFeatures
from vos.mining.retrieve import Search, retrieve
from vos.mining.targets import Potential, TargetSpace
from vos.outliers import BoundarySampler
from vos.storage.environment import peak_memory_mib
from vos.types import Example, FeatureBatch, LinearHead

D, DIRECTIONS, CENTRES, TARGETS, CHUNK = 384, 24, 2_000, 128, 4096
PER_TARGET, RANDOM, SEED = 20, 24, 0
APPROXIMATE = ApproximateSettings(lists=1024, probes=64, train_per_list=64, seed=SEED)
STEPS = ("build", "exact", "approximate", "stream")


class SyntheticTexts:
    """`n` texts that are their own numbers."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[Example]:
        """The texts from the start."""
        return (Example(f"p{i}", f"text {i}") for i in range(self.n))


class SyntheticFeatures:
    """Implements `Featurizer`: the features of a text depend on its number's chunk alone."""

    model_hash = "synthetic"

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(SEED)
        # Variances fall as those of a fine-tuned encoder do: a few directions hold most of them.
        self.scale = torch.linspace(0, 3, D).neg().exp()
        self.centres = torch.randn(CENTRES, D, generator=draw)
        self.head = LinearHead(torch.stack([torch.zeros(D), torch.randn(D, generator=draw)]), torch.zeros(2))

    def rows(self, number: int, n: int) -> Tensor:
        """Features (n, d) of a chunk."""
        draw = torch.Generator().manual_seed(SEED + 1 + number)
        which = torch.randint(CENTRES, (n,), generator=draw)
        return (self.centres[which] + 0.7 * torch.randn(n, D, generator=draw)) * self.scale

    def stream(self, examples: Iterator[Example], chunk_size: int) -> Iterator[tuple[list[Example], FeatureBatch]]:
        """Features chunk by chunk."""
        part: list[Example] = []
        for example in examples:
            part.append(example)
            if len(part) == chunk_size:
                yield part, self._batch(part)
                part = []
        if part:
            yield part, self._batch(part)

    def _batch(self, part: list[Example]) -> FeatureBatch:
        features = self.rows(int(part[0].id[1:]) // CHUNK, len(part))
        return FeatureBatch(features, self.head.logits(features))


def step(name: str, n: int, folder: Path) -> dict[str, float]:
    """One step in this process."""
    featurizer, pool = SyntheticFeatures(), SyntheticTexts(n)
    if name == "build":
        started = time.perf_counter()
        PoolFeatures.build(folder, featurizer.model_hash, pool, featurizer, CHUNK)
        return {"seconds": time.perf_counter() - started, "peak_mib": peak_memory_mib()}
    train = featurizer.rows(10**6, 4_000)
    labels = (featurizer.head.logits(train)[:, 1] > 0).long()
    density = ClassConditionalGaussian(2, D).fit(train, labels)
    space = TargetSpace.fit(train, density, featurizer.head, (1,), DIRECTIONS)
    generator = torch.Generator().manual_seed(SEED)
    sampler = BoundarySampler(margin=0.0, band=1.0, distance=None)
    targets = space.targets(sampler(density, featurizer.head, TARGETS // 2, generator))
    search = Search(density, space, targets, Potential(), PER_TARGET, RANDOM, CHUNK)
    started = time.perf_counter()
    if name == "stream":
        found = retrieve(pool, featurizer, search, generator)
    else:
        store = PoolFeatures.build(folder, featurizer.model_hash, pool, featurizer, CHUNK)
        found = retrieve_indexed(pool, store, search, generator, APPROXIMATE if name == "approximate" else None)
    seconds = time.perf_counter() - started
    (folder / f"{name}.json").write_text(
        json.dumps([[c.example.id for c in kept] for kept in found.by_target], allow_nan=False)
    )
    return {"seconds": seconds, "peak_mib": peak_memory_mib(), **found.index}


def shared(folder: Path, name: str) -> float:
    """Share of the streamed search's texts that another search found."""
    truth, found = (json.loads((folder / f"{each}.json").read_text()) for each in ("stream", name))
    hits = sum(len(set(a) & set(b)) for a, b in zip(truth, found, strict=True))
    return hits / sum(map(len, truth))


def main() -> None:
    """Print the table and the JSON line."""
    parser = command_line(__doc__, quick="20,000 rows, under a minute")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        name, n, folder = arguments.step
        finish(step(name, int(n), Path(folder)))
        return
    n = 20_000 if arguments.quick else 1_000_000
    figures: dict[str, float] = {"rows": n}
    with tempfile.TemporaryDirectory() as folder:
        for name in STEPS:
            found = json.loads(fresh_process("benchmarks.speed.retrieval", "--step", name, str(n), folder))
            figures |= {key if key.startswith("recall") else f"{name}_{key}": value for key, value in found.items()}
        figures["exact_texts_shared"] = shared(Path(folder), "exact")
        figures["approximate_texts_shared"] = shared(Path(folder), "approximate")
        figures["disk_mib"] = sum(file.stat().st_size for file in Path(folder).glob("*.f32")) / 2**20
    print_figures(figures)
    finish(figures | {"machine": machine()})


if __name__ == "__main__":
    main()
