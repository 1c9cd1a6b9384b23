"""The start point of a seed: the upper layers of the encoder fine-tuned with cross-entropy; all branches start from it.

What does not change is computed once and stored: the outputs of the pretrained lower layers before the start point is
trained, and afterwards those of the layers below the trained layers of the branches. So a branch is cheap, and all
branches start from identical bits.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytorch_lightning as pl
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks._common import n_seeds, output_folder
from benchmarks.ablation import data
from benchmarks.ablation.arms import Arm
from benchmarks.ablation.data import Task
from benchmarks.ablation.hidden import Hidden, UpperClassifier, further_layers, lower_layers, upper_features
from benchmarks.ablation.module import training_module
from benchmarks.ablation.parts import Facts
from vos.data.batching import LengthBucketedSampler
from vos.density import FeatureBank
from vos.training.module import ClassifierModule
from vos.training.settings import OptimizerSettings
from vos.types import LinearHead

BATCH_SIZE = 32
START_OPTIMIZER = OptimizerSettings(lr=1e-4, head_lr=3e-3, weight_decay=0.01)
DROPOUT = 0.1


@dataclass(frozen=True)
class Start:
    """A start point, ready to branch from.

    Attributes:
        classifier: to be copied, never trained.
        hidden: by set of texts.
        features: by set of texts, (n, d), in evaluation mode.
        pretrained: by set of texts, (n, d), of the encoder before any training.
        distances: distance scores by set of texts at the start point, filled when first asked for.
    """

    classifier: UpperClassifier
    hidden: dict[str, Hidden]
    features: dict[str, Tensor]
    pretrained: dict[str, Tensor]
    distances: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    @property
    def head(self) -> LinearHead:
        """The head at the start point."""
        return LinearHead(*(t.detach() for t in self.classifier.linear_head()))


class Batches:
    """Length-bucketed batches for Lightning; a function of (seed, epoch) alone, so all branches see the same.

    With features (n, d) batches carry these, for a branch that trains the head alone.
    """

    def __init__(self, hidden: Hidden, labels: Tensor, seed: int, features: Tensor | None = None) -> None:
        self.sampler = LengthBucketedSampler(hidden.lengths.tolist(), BATCH_SIZE, seed)
        self.hidden, self.labels, self.features = hidden, labels, features

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for index in self.sampler:
            rows = torch.tensor(index)
            inputs = self.hidden.batch(index) if self.features is None else {"features": self.features[rows]}
            yield inputs | {"labels": self.labels[rows], "index": rows}


def train(module: ClassifierModule, batches: Batches, precision: str, **limits: int) -> None:
    """Lightning's own loop, silent, on one thread of the CPU."""
    with quiet():
        trainer = pl.Trainer(
            accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, gradient_clip_val=1.0, limit_val_batches=0, use_distributed_sampler=False,
            precision=precision,  # type: ignore[arg-type]
            **limits,
        )  # fmt: skip
        trainer.fit(module, train_dataloaders=batches)


def make_start(task: Task, seed: int, path: Path, shared: dict[tuple[str, str], Hidden]) -> None:
    """Fine-tune the upper layers with cross-entropy, run what the branches leave fixed, and write the file.

    `shared` keeps what the pretrained layers give for test and OOD texts, which are the same for all seeds.
    """
    classifier = fresh(task, seed)
    hidden = {}
    for name, texts in task.texts().items():
        key = (task.name, name)
        hidden[name] = shared[key] if key in shared else lower_layers(classifier, texts, task.sizes)
        if name != "train":
            shared[key] = hidden[name]
    classifier.keep_upper(task.sizes.start_layers)
    pretrained = {f"pretrained.{name}": upper_features(classifier, kept) for name, kept in hidden.items()}
    labels = torch.tensor([e.label for e in task.train])
    c, d = classifier.n_classes, classifier.n_features
    bank = FeatureBank(len(labels), d)
    facts = Facts(c, d, torch.zeros(1), bank.contents)
    module = training_module(classifier, Arm(), facts, bank, START_OPTIMIZER, 1, seed)
    train(module, Batches(hidden["train"], labels, seed), task.sizes.precision, max_epochs=task.sizes.epochs)
    hidden = {name: further_layers(classifier, kept, task.sizes.branch_layers) for name, kept in hidden.items()}
    classifier.keep_upper(task.sizes.branch_layers)
    tensors = {f"model.{name}": value for name, value in classifier.state_dict().items()}
    tensors |= pretrained
    for name, kept in hidden.items():
        tensors |= {f"rows.{name}": kept.rows, f"lengths.{name}": kept.lengths}
        tensors[f"features.{name}"] = upper_features(classifier, kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def load_start(task: Task, seed: int, path: Path) -> Start:
    """Read what `make_start` wrote."""
    tensors = load_file(path)
    classifier = fresh(task, seed)
    classifier.keep_upper(task.sizes.branch_layers)
    prefix = "model."
    classifier.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    names = list(task.texts())
    hidden = {name: Hidden(tensors[f"rows.{name}"], tensors[f"lengths.{name}"]) for name in names}
    features, pretrained = ({name: tensors[f"{kind}.{name}"] for name in names} for kind in ("features", "pretrained"))
    return Start(classifier.eval(), hidden, features, pretrained)


def fresh(task: Task, seed: int) -> UpperClassifier:
    """The bundled encoder under a new head, with all its layers."""
    with quiet():
        return UpperClassifier("bundled", task.label_names, dropout=DROPOUT, seed=seed)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bars, no notices of Lightning and transformers."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Starts:
    """Start points, made once and kept on disk; the last one loaded stays in memory."""

    def __init__(self, folder: Path, sizes: dict[str, data.Sizes]) -> None:
        self.folder, self.sizes = folder, sizes
        self.key: tuple[str, int] | None = None
        self.shared: dict[tuple[str, str], Hidden] = {}

    def get(self, name: str, seed: int) -> tuple[Task, Start]:
        """The task of a seed and its start point."""
        if self.key != (name, seed):
            self.task = data.load_task(name, self.sizes[name], seed)
            path = self.folder / f"{name}-{seed}.safetensors"
            if not path.exists():
                make_start(self.task, seed, path, self.shared)
            self.start, self.key = load_start(self.task, seed, path), (name, seed)
        return self.task, self.start


def kept_starts(options: argparse.Namespace, names: Sequence[str]) -> Iterator[tuple[int, Task, Start]]:
    """Start points that the ablation has kept, by task and seed, for a benchmark that trains nothing."""
    folder = output_folder(options, "ablation") / "starts"
    starts = Starts(folder, data.QUICK if options.quick else data.FULL)
    for name in names:
        for seed in range(n_seeds(options)):
            if not (folder / f"{name}-{seed}.safetensors").is_file():
                found = f"{folder}: expected the start point of {name}, seed {seed}"
                raise SystemExit(f"{found}; run python -m benchmarks.ablation first")
            yield seed, *starts.get(name, seed)
