"""Stores the samples of one shard of a pool in a file, atomically."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vos.errors import DataError, RunError
from vos.mining.candidates import Facts
from vos.mining.pool_sample import Array, PoolSample, SampleSizes
from vos.storage.atomic import replacing
from vos.storage.sealed import check_sealed, save_sealed
from vos.types import Example, FeatureBatch

TABLES = ("features", "logits", "margins", "mahalanobis", "errors")


def save_sample(path: Path, sample: PoolSample, nearest: Tensor) -> None:
    """Write the samples of one pass.

    Args:
        path: path of the file.
        sample: see `PoolSample`.
        nearest: (m,) float64, distance of each virtual outlier to its nearest text, see `Surroundings`.
    """
    content: dict[str, Tensor] = {"nearest": nearest, "counts": torch.tensor(sample.counts)}
    examples = {}
    for name, (facts, keys) in sample.parts().items():
        batch = {"features": facts.batch.features, "logits": facts.batch.logits}
        content |= {f"{name}/{each}": table.contiguous() for each, table in batch.items()}
        content |= {f"{name}/{each}": getattr(facts, each).contiguous() for each in TABLES[2:]}
        content[f"{name}/keys"] = torch.from_numpy(keys)
        examples[name] = [asdict(example) for example in facts.examples]
    # Stored as bytes, because JSON in the header would be parsed on every access. Lone surrogates become escapes.
    written = json.dumps(examples, allow_nan=False).encode("ascii")
    content["examples"] = torch.frombuffer(bytearray(written), dtype=torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        save_sealed(partial, lambda seal: save_file(content, partial, metadata=seal))


def load_sample(path: Path, sizes: SampleSizes, seed: int) -> tuple[PoolSample, Tensor]:
    """Read what `save_sample` wrote.

    Args:
        path: path of the file.
        sizes: sizes of the sample.
        seed: seed of the sample.

    Raises:
        DataError: the file is damaged.
    """
    try:
        check_sealed(path)
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        examples = json.loads(bytes(found["examples"].numpy()))
        return _sample(found, examples, sizes, seed), found["nearest"]
    except (SafetensorError, KeyError, ValueError, OSError, RunError) as error:
        raise _damaged(path, error) from error


def count_texts(path: Path) -> int:
    """Number of texts that were sampled in a file of `save_sample`; reads nothing else.

    Raises:
        DataError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return int(file.get_tensor("counts").sum())
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: expected the samples of a shard, got: {error}; delete it and start again")


def _sample(
    found: dict[str, Tensor], examples: dict[str, list[dict[str, object]]], sizes: SampleSizes, seed: int
) -> PoolSample:
    n_features, n_classes = found["weighted/features"].shape[1], found["weighted/logits"].shape[1]
    sample = PoolSample(sizes, seed, n_features, n_classes)
    parts: dict[str, tuple[Facts, Array]] = {}
    for name, rows in examples.items():
        features, logits, *numbers = (found[f"{name}/{each}"] for each in TABLES)
        texts = [Example(**row) for row in rows]  # type: ignore[arg-type]
        parts[name] = (Facts(texts, FeatureBatch(features, logits), *numbers), found[f"{name}/keys"].numpy())
    harmless, harmful = found["counts"].tolist()
    sample.restore(parts, (harmless, harmful))
    return sample
