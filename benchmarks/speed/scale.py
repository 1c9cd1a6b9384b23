"""The cost of a pool of any size: measured up to what this machine can handle, extrapolated beyond.

`python -m benchmarks.speed.scale [--quick]`. Three things are measured, each in a fresh process: the rate of the
bundled encoder in float32 and in bfloat16 on a few thousand texts of the embedded corpus; the rate of everything else
(reading files, sampling, merging) and the peak memory of the process that scores pools of 10^4 to 10^6 texts in files
of 10^4, with a tiny encoder whose cost is small; and the peak memory of merging alone, over synthetic results of files
of 10^5 texts each, from 10^5 to 10^7 texts, with as many features as the bundled encoder has. Seconds are processor
seconds, so that other load on the machine does not count. From these the table of hours, nodes and storage up to 10^9
texts is extrapolated; its assumptions are printed with it. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks._common import command_line, finish, fresh_process, machine
from benchmarks.speed.paper import ASSUMPTIONS, Measured, cost_curve, print_curve
from benchmarks.speed.pool import NAMES, stream, texts, tiny_classifier
from vos.data import TextData
from vos.data.records import ListPool
from vos.data.sources import PoolFile
from vos.density import ClassConditionalGaussian
from vos.mining.candidates import Facts
from vos.mining.coverage import CoverageSettings
from vos.mining.pool_sample import PoolSample, SampleSizes
from vos.mining.sample_files import load_sample, save_sample
from vos.models import ClassifierFeaturizer, EncoderClassifier
from vos.outliers import BoundarySampler
from vos.storage.environment import peak_memory_mib
from vos.storage.memory import give_back_memory
from vos.synthesis.job import SynthesisJob, SynthesisSettings, draw_outliers
from vos.synthesis.pool_pass import ShardedPass
from vos.synthesis.surroundings import Surroundings
from vos.types import Example, FeatureBatch

D, SEED, BATCH = 384, 0, 100
SIZES = CoverageSettings().sizes(BATCH)


def encoder_rate(n: int) -> dict[str, float]:
    """Texts a second of one thread of the bundled encoder, tokenisation included."""
    torch.set_num_threads(1)
    classifier = EncoderClassifier("bundled", NAMES, max_length=64, harmful=(1,)).eval()
    examples, found = [example.text for example in stream(n)], {}
    for name, fast in (("float32", False), ("bfloat16", True)):
        featurizer = ClassifierFeaturizer(classifier, bfloat16=fast)
        featurizer.featurize(examples[:64])
        started = time.process_time()
        for _ in featurizer.stream((Example(str(i), text) for i, text in enumerate(examples)), 1024):
            pass
        found[f"encoder_{name}_per_s"] = n / (time.process_time() - started)
    return found


def pool_pass(n: int, of_a_file: int) -> dict[str, float]:
    """Score a pool of `n` texts in files with a tiny encoder, and merge; then merge alone, as a resumed run does."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        pool = Path(folder) / "pool"
        pool.mkdir()
        write_pool(pool, n, of_a_file)
        job = _job(tiny_classifier(Path(folder) / "encoder"), pool)
        started = time.process_time()
        assert sum(1 for _ in job.data.pool) == n
        read = time.process_time() - started
        _, space, outliers = draw_outliers(job)
        shards = ShardedPass(PoolFile(path=pool).open(), Path(folder) / "scores")
        seconds = []
        for _ in range(2):
            started = time.process_time()
            surroundings = Surroundings(space, outliers, job.settings.potential.delta)
            sample = shards.run(job, job.featurizer, SIZES, surroundings, False)
            seconds.append(time.process_time() - started)
            assert sample.n == n
        size = sum(path.stat().st_size for path in pool.iterdir())
        return {
            "read_per_s": n / read,
            "per_s": n / seconds[0],
            "merge_s": seconds[1],
            "peak_mib": peak_memory_mib(),
            "bytes_per_text": size / n,
        }


def write_pool(folder: Path, n: int, of_a_file: int) -> None:
    """JSON lines, one file after the other."""
    rows = stream(n)
    for number in range(-(-n // of_a_file)):
        with (folder / f"part-{number:05d}.jsonl").open("w", encoding="utf-8") as file:
            for _ in range(min(of_a_file, n - number * of_a_file)):
                file.write(json.dumps({"text": next(rows).text}, allow_nan=False) + "\n")


def _job(classifier: EncoderClassifier, pool: Path) -> SynthesisJob:
    """A synthesis over the pool; it knows 400 texts with made-up labels."""
    featurizer = ClassifierFeaturizer(classifier.eval())
    known = [Example(f"known{i}", text, i % 2) for i, text in enumerate(texts()[:400])]
    batch = featurizer.featurize([example.text for example in known])
    labels = torch.tensor([example.label for example in known])
    density = ClassConditionalGaussian(2, classifier.n_features).fit(batch.features, labels)
    data = TextData(known, known[:100], [], ListPool([]), NAMES, [], harmful=(1,))
    data = replace(data, pool=PoolFile(path=pool).open())
    sampler = BoundarySampler(margin=0.0, band=1.0, distance=None)
    work = SynthesisJob(featurizer, density, sampler, data, SynthesisSettings())
    work.error_model.report  # noqa: B018 - fitted before the clock starts
    return work


def merge_alone(n: int, of_a_file: int) -> dict[str, float]:
    """Merge made-up results of files: each is written by a process of its own, merged here, and written over."""
    torch.set_num_threads(1)
    sample, seconds, size = PoolSample(SIZES, SEED, D, 2), 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard.safetensors"
        for number in range(n // of_a_file):
            writer = multiprocessing.get_context("fork").Process(target=write_result, args=(path, number, of_a_file))
            writer.start()
            writer.join()
            assert writer.exitcode == 0
            size = path.stat().st_size
            started = time.process_time()
            sample.merge(load_sample(path, SIZES, SEED)[0])
            give_back_memory()
            seconds += time.process_time() - started
    assert sample.n == n
    assert len(sample.weighted.facts) == min(n, SIZES.weighted)
    figures = {"peak_mib": peak_memory_mib(), "seconds": seconds, "mib_of_a_file": size / 2**20}
    return figures | {"seconds_of_a_file": seconds * of_a_file / n}


def write_result(path: Path, number: int, n: int) -> None:
    """The file of made-up results of a file of `n` texts."""
    save_sample(path, made_up(number, n, SIZES), torch.zeros(128, dtype=torch.float64))


def made_up(number: int, n: int, sizes: SampleSizes) -> PoolSample:
    """What scoring a file of `n` texts leaves, without the texts that it does not keep."""
    draw = np.random.default_rng((SEED, number))
    margins, sample = draw.normal(0, 4, n), PoolSample(sizes, SEED, D, 2)
    errors = 1 / (1 + np.exp(np.abs(margins)))
    keys = {
        "weighted": -np.log(draw.random(n)) / errors**sizes.power,
        "nearest": np.abs(margins),
        "uniform": draw.random(n),
    }
    kept = {"weighted": sizes.weighted, "nearest": sizes.nearest, "uniform": sizes.uniform}
    parts = {}
    for name, values in keys.items():
        rows = np.argsort(values)[: kept[name] + 1]
        facts = _facts(number, rows, margins[rows], errors[rows], draw)
        parts[name] = (facts, values[rows])
    harmful = int((margins > 0).sum())
    sample.restore(parts, (n - harmful, harmful))
    return sample


def _facts(number: int, rows: np.ndarray, margins: np.ndarray, errors: np.ndarray, draw: np.random.Generator) -> Facts:
    examples = [Example(f"{number}-{row}", f"a text of some hundred characters, number {row}. " * 2) for row in rows]
    logits = torch.from_numpy(np.stack([-margins / 2, margins / 2], 1)).float()
    features = torch.from_numpy(draw.standard_normal((len(rows), D), dtype=np.float32))
    numbers = (logits[:, 1] - logits[:, 0], torch.zeros(len(rows), 2, dtype=torch.float64), torch.from_numpy(errors))
    return Facts(examples, FeatureBatch(features, logits), *numbers)


STEPS = {"encoder": encoder_rate, "pool": pool_pass, "merge": merge_alone}


def step(name: str, *sizes: int) -> dict[str, float]:
    """What a step measures in a process whose peak memory is its own."""
    found: dict[str, float] = json.loads(fresh_process("benchmarks.speed.scale", "--step", name, *map(str, sizes)))
    return found


def measure(quick: bool) -> Iterator[tuple[str, float]]:
    """Names and numbers, as they are measured."""
    pools = (2_000,) if quick else (10_000, 100_000, 1_000_000)
    merges = (20_000, 40_000) if quick else (100_000, 1_000_000, 10_000_000)
    yield from step("encoder", 256 if quick else 4_096).items()
    for n in pools:
        for name, value in step("pool", n, 500 if quick else 10_000).items():
            yield f"pool_{n}_{name}", value
    for n in merges:
        for name, value in step("merge", n, 20_000 if quick else 100_000).items():
            yield f"merge_{n}_{name}", value
    yield "pool_largest", pools[-1]
    yield "merge_smallest", merges[0]
    yield "merge_largest", merges[-1]


def main() -> None:
    """Print what is measured, the table, its assumptions and the JSON line."""
    parser = command_line(__doc__, quick="small sizes, under a minute")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        name, *sizes = arguments.step
        finish(STEPS[name](*map(int, sizes)))
        return
    figures: dict[str, float] = {}
    for name, value in measure(arguments.quick):
        figures[name] = value
        print(f"{name:36} {value:,.3f}", flush=True)
    small, large = (figures[f"merge_{figures[f'merge_{size}']}_peak_mib"] for size in ("smallest", "largest"))
    figures["merge_memory_growth"] = large / small
    curve = cost_curve(Measured.of(figures))
    print_curve(curve)
    print(ASSUMPTIONS)
    paper = {f"paper_{row.texts}_core_hours": row.core_hours for row in curve}
    finish({**figures, **paper, "machine": machine()})


if __name__ == "__main__":
    main()
