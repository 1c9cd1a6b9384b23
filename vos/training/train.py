"""Fine-tunes a classifier on lists of texts: the loop of rounds without a configuration file."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytorch_lightning as pl
import torch

from vos.data import ListPool, TextData, TextDataModule, split_groups
from vos.data.agreement import check_classes
from vos.data.labels import LabelCodec, label_key, spelled
from vos.data.leaks import HeldOut
from vos.data.validation import check_texts
from vos.density import ClassConditionalGaussian, FeatureBank, GaussianDensity
from vos.errors import DataError, RunError
from vos.harmful import Positive, harmful_classes
from vos.losses import BoundaryFlattening, OutlierRegularizer
from vos.models import EncoderClassifier, TextClassifier
from vos.outliers import BoundarySampler, with_sides
from vos.storage.environment import environment
from vos.storage.run_directory import RunDirectory
from vos.training.featurizers import Featurizers
from vos.training.job import FitSettings, RefineSettings, RunSettings, TrainingJob
from vos.training.loop import refine, remove_checkpoints, save_results
from vos.training.module import ClassifierModule
from vos.training.settings import RegularizerSettings, StepSettings
from vos.types import Example, OutlierSampler

logger = logging.getLogger(__name__)

Labels = Sequence[str | int]

BATCH_SIZE = 32
"""Texts per step."""

BAND, WEIGHT = 3.0, 3.0
"""Band of the virtual outliers and margin of the loss, as in the configuration."""


@dataclass(frozen=True)
class Trained:
    """The result of `train`.

    Attributes:
        classifier: the trained classifier, in evaluation mode.
        density: fitted to this classifier's features (n, d) of the training texts.
        rounds: boundary metrics of every round, by name; the first round is plain training.
        stopped_because: the rule that ended the loop.
        kept_round: the round of this classifier and density: the best on the validation texts.
    """

    classifier: TextClassifier
    density: GaussianDensity
    rounds: tuple[dict[str, float], ...]
    stopped_because: str
    kept_round: int


def train(
    texts: Sequence[str],
    labels: Labels,
    *,
    val: tuple[Sequence[str], Labels] | float = 0.15,
    label_names: Sequence[str] | None = None,
    positive: Positive = None,
    model: str = "bundled",
    epochs: int = FitSettings.max_epochs,
    rounds: int = RefineSettings.rounds,
    seed: int = 0,
    output: str | Path | None = None,
    density: GaussianDensity | None = None,
    sampler: OutlierSampler | None = None,
    loss: OutlierRegularizer | None = None,
) -> Trained:
    """Train an encoder with a linear head, then refine its boundary with virtual outliers.

    Args:
        texts: n training texts.
        labels: n class names, or indices into `label_names`.
        val: validation texts with their labels, or the share of `texts` to use for validation.
        label_names: class names in index order; None: the sorted names in `labels`, harmful ones last.
        positive: the harmful class by name, or a list of them; "none" if no class is harmful; None: well-known words in
            the names decide, see `vos.harmful.harmful_classes`.
        model: "bundled", a hub name, or a folder in Hugging Face layout.
        epochs: epochs of plain training.
        rounds: largest number of rounds of regularised training after it.
        seed: seed of all randomness.
        output: a run directory; an interrupted run is resumed. None: nothing is kept on disk.
        density: an unfitted density; None: `ClassConditionalGaussian`.
        sampler: draws the virtual outliers; None: `BoundarySampler` with the band `BAND`.
        loss: the regulariser on virtual outliers; None: `BoundaryFlattening`.

    Raises:
        DataError: texts or labels that cannot be used.
        ConfigError: invalid settings, or class names that do not decide which are harmful.
        ModelError: the encoder cannot be loaded.
        RunError: `output` has a finished run, or one with other texts or settings; of density, sampler and loss only
            the classes are compared, not their settings.

    Example:
        trained = vos.train(["he fell", "he sat", ...], ["harm", "none", ...], label_names=["none", "harm"])
    """
    data = _data(
        texts, labels, val, *_classes(labels, label_names, positive), by_index=label_names is not None, seed=seed
    )
    new_classifier = partial(EncoderClassifier, model, data.label_names, seed=seed, harmful=data.harmful)
    classifier = new_classifier()
    c, d = classifier.n_classes, classifier.n_features
    module = ClassifierModule(
        classifier,
        density or ClassConditionalGaussian(c, d),
        FeatureBank(len(data.train), d),
        with_sides(sampler or BoundarySampler(band=BAND), data.harmful),
        loss or BoundaryFlattening(c),
        StepSettings(regularization=RegularizerSettings(WEIGHT, start_epoch=epochs), seed=seed),
    )
    settings = RunSettings(FitSettings(epochs, progress=sys.stdout.isatty()), RefineSettings(rounds), seed)
    with TemporaryDirectory() as scratch:
        job = _job(module, data, Featurizers(classifier, new_classifier, device=_device()), output or scratch, settings)
        parts = {"density": module.density, "sampler": module.sampler, "loss": module.regularizer}
        kinds = {name: type(part).__name__ for name, part in parts.items()}
        return _run(job, {"model": model, "epochs": epochs, "rounds": rounds, "seed": seed, **kinds})


def _job(
    module: ClassifierModule, data: TextData, featurizers: Featurizers, folder: str | Path, settings: RunSettings
) -> TrainingJob:
    tokenizer, max_length = module.classifier.tokenizer, module.classifier.max_length
    trainer = partial(
        pl.Trainer, accelerator="auto", devices=1, gradient_clip_val=1.0, num_sanity_val_steps=0,
        log_every_n_steps=1, enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    datamodule = TextDataModule(data, tokenizer, BATCH_SIZE, max_length, settings.seed)
    return TrainingJob(module, data, datamodule, featurizers, RunDirectory(folder), settings, trainer)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _run(job: TrainingJob, config: Mapping[str, str | int]) -> Trained:
    """Run the loop and store its results in the run directory."""
    started = time.monotonic()
    facts = {
        "data_fingerprint": job.data.fingerprint(),
        "harmful_classes": list(job.data.classes.harmful_names),
        **environment(_device()),
    }
    job.run.start(json.dumps(config, allow_nan=False) + "\n", facts)
    if job.run.is_finished:
        raise RunError(f"output={job.run.path}: expected a new or an interrupted run, found a finished one")
    result = refine(job)
    content = save_results(job, result)
    classifier, density = job.module.classifier.eval(), job.module.density
    facts = {"model_hash": classifier.fingerprint(), "calibration": content["calibration"]}
    job.run.finish(time.monotonic() - started, facts)
    remove_checkpoints(job)
    rounds = tuple(each.metrics for each in result.records)
    return Trained(classifier, density, rounds, result.stopped_because, result.kept.round)


def _classes(
    labels: Labels, label_names: Sequence[str] | None, positive: Positive
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Class names in index order, and the indices of the harmful classes."""
    if label_names is not None:
        return tuple(label_names), harmful_classes(label_names, positive)
    codec = LabelCodec(filter(None, map(label_key, labels)), None, None, positive)
    return codec.names, codec.harmful


def _data(
    texts: Sequence[str],
    labels: Labels,
    val: tuple[Sequence[str], Labels] | float,
    names: tuple[str, ...],
    harmful: tuple[int, ...],
    *,
    by_index: bool,
    seed: int,
) -> TextData:
    splits = {"train": _examples("texts", texts, labels, names, by_index)}
    if isinstance(val, float | int):
        splits = split_groups(splits["train"], {"train": 1 - val, "val": val}, seed, names)
    else:
        splits["val"] = _examples("val", *val, names, by_index)
        splits["train"] = _not_in("val", splits["val"], splits["train"])
    check_classes(splits, names, {"train": "texts", "val": "val"})
    return TextData(splits["train"], splits["val"], [], ListPool([]), names, [], harmful=harmful)


def _not_in(name: str, measured: Sequence[Example], train: list[Example]) -> list[Example]:
    """The training texts that are not in the set `measured`."""
    held_out = HeldOut(measured)
    kept = [example for example in train if not held_out.has_text(example.text)]
    if len(kept) < len(train):
        logger.warning(
            "%d of %d texts stand in %s too, and are not trained on", len(train) - len(kept), len(train), name
        )
    return kept


def _examples(name: str, texts: Sequence[str], labels: Labels, names: Sequence[str], by_index: bool) -> list[Example]:
    if len(texts) != len(labels):
        raise DataError(f"{name}: expected a label for every text, found {len(texts)} texts and {len(labels)} labels")
    index = {str(i): i for i in range(len(names))} if by_index else {}
    index |= {class_name: i for i, class_name in enumerate(names)}
    check_texts(name, texts)
    examples = []
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        place = index.get(spelled(label, index))
        if place is None or label_key(label) is None:
            raise DataError(f"{name}[{i}]: expected a label of {list(index)}, found {label!r}")
        examples.append(Example(f"{name}-{i}", text, place))
    return examples
