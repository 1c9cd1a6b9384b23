"""Features of a set with a frozen encoder, computed once and stored in a file."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.selection.sets import LabelledSet
from vos.models import ClassifierFeaturizer, EncoderClassifier

ENCODERS = ("minilm", "mpnet")
FINETUNED = "finetuned"
"""The bundled encoder, trained in every round, see `benchmarks.selection.finetuned`."""

MPNET = "VOS_MPNET"
"""Variable that names the folder of all-mpnet-base-v2."""

MAX_LENGTH = 96


def encoder_name(encoder: str) -> str:
    """What `EncoderClassifier` loads.

    Raises:
        SystemExit: the folder of the larger encoder is not named.
    """
    if encoder == "minilm":
        return "bundled"
    folder = os.environ.get(MPNET)
    if not folder or not Path(folder, "model.safetensors").is_file():
        raise SystemExit(
            f"the variable {MPNET} names no folder with model.safetensors; download sentence-transformers/"
            "all-mpnet-base-v2 (110 M parameters) and set it, or leave this encoder out with --encoders minilm"
        )
    return folder


def features_of(data: LabelledSet, encoder: str, folder: Path) -> np.ndarray:
    """(n, d) float32 of all texts of a set, encoded under bfloat16 autocast where they are not on the disk."""
    texts = [example.text for example in data.examples]
    digest = hashlib.sha256("\x1f".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    path = folder / f"{data.name}-{encoder}-{digest}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        classifier = EncoderClassifier(encoder_name(encoder), ("a", "b"), max_length=MAX_LENGTH)
        started = time.monotonic()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = ClassifierFeaturizer(classifier).featurize(texts).features.numpy()
        np.save(path.with_suffix(".partial.npy"), features)
        path.with_suffix(".partial.npy").replace(path)
        print(f"{data.name} {encoder}: {len(texts)} texts in {time.monotonic() - started:.0f} s", flush=True)
    found: np.ndarray = np.load(path)
    return found
