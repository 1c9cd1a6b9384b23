"""The start point of a seed: the encoder's upper layers fine-tuned with cross-entropy, ready to branch from.

What stays fixed is run once and kept: the lower layers, as pretrained, before the start point is trained, and what lies
below the branches' layer after it. So a branch is cheap, and every branch starts from the same bits.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytorch_lightning as pl
import torch
from benchmarks.ablation.data import Sizes, Task
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vos.data.batching import LengthBucketedSampler, TokenCollator, tokenize
from vos.density import ClassConditionalGaussian, FeatureBank
from vos.models import EncoderClassifier
from vos.training.module import ClassifierModule, OptimizerSettings, RegularizerSettings
from vos.types import LinearHead

BATCH_SIZE = 32
START_OPTIMIZER = OptimizerSettings(lr=1e-4, head_lr=3e-3, weight_decay=0.01, warmup_share=0.1)
DROPOUT = 0.1


class UpperClassifier(EncoderClassifier):
    """The upper layers and the head; a batch carries the output of the layers below as `hidden` (b, t, d)."""

    def keep_upper(self, layers: int) -> None:
        """Drop all but so many layers, which are never run again."""
        self.encoder.embeddings = None
        self.encoder.pooler = None
        self.encoder.encoder.layer = self.encoder.encoder.layer[-layers:]

    def through(self, batch: Mapping[str, Tensor], skip: int = 0) -> Tensor:
        """`hidden` after the layers that are left, the uppermost `skip` ones not run: (b, t, d)."""
        hidden, seen = batch["hidden"], batch["attention_mask"][:, None, None, :].bool()
        for layer in self.encoder.encoder.layer[: len(self.encoder.encoder.layer) - skip]:
            hidden = layer(hidden, seen)
        return hidden

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean over the attended tokens of what the upper layers make of `hidden`."""
        hidden = self.through(batch)
        weights = batch["attention_mask"][..., None].to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1).clamp_min(1.0)


@dataclass(frozen=True)
class Hidden:
    """What the lower layers give for a set of texts, one after the other.

    Attributes:
        rows: (tokens of all texts, d).
        lengths: (n,) int64, tokens of each text.
    """

    rows: Tensor
    lengths: Tensor

    def batch(self, index: Sequence[int]) -> dict[str, Tensor]:
        """`hidden` (b, t, d) and `attention_mask` (b, t) of some texts, padded to the longest."""
        ends = self.lengths.cumsum(0)
        pieces = [self.rows[ends[i] - self.lengths[i] : ends[i]] for i in index]
        mask = torch.zeros(len(index), max(len(p) for p in pieces), dtype=torch.int64)
        for i, piece in enumerate(pieces):
            mask[i, : len(piece)] = 1
        return {"hidden": nn.utils.rnn.pad_sequence(pieces, batch_first=True), "attention_mask": mask}


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
    module = ClassifierModule(
        classifier, ClassConditionalGaussian(c, d), FeatureBank(len(labels), d), None, None, START_OPTIMIZER,
        RegularizerSettings(weight=0.0, start_epoch=0, outliers_per_class=1, refit_every=1), seed=seed,
    )  # fmt: skip
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


@torch.no_grad()
def lower_layers(classifier: UpperClassifier, texts: Sequence[str], sizes: Sizes) -> Hidden:
    """Run texts through the layers below those of the start point, in evaluation mode."""
    classifier.eval()
    ids = tokenize(classifier.tokenizer, texts, sizes.max_length)
    collator = TokenCollator(classifier.tokenizer)
    layers = classifier.encoder.encoder.layer
    classifier.encoder.encoder.layer = layers[: len(layers) - sizes.start_layers]
    rows = [torch.empty(0)] * len(ids)
    for index in by_length([len(i) for i in ids]):
        batch = collator([{"index": i, "input_ids": ids[i], "label": 0} for i in index])
        output = classifier.encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        for place, i in enumerate(index):
            rows[i] = output.last_hidden_state[place, : len(ids[i])].clone()
    classifier.encoder.encoder.layer = layers
    return Hidden(torch.cat(rows), torch.tensor([len(r) for r in rows]))


@torch.no_grad()
def further_layers(classifier: UpperClassifier, hidden: Hidden, skip: int) -> Hidden:
    """Run all but the uppermost `skip` of the layers that are left, in evaluation mode."""
    classifier.eval()
    rows = torch.empty_like(hidden.rows)
    ends = hidden.lengths.cumsum(0)
    for index in by_length(hidden.lengths.tolist()):
        output = classifier.through(hidden.batch(index), skip)
        for place, i in enumerate(index):
            rows[ends[i] - hidden.lengths[i] : ends[i]] = output[place, : hidden.lengths[i]]
    return Hidden(rows, hidden.lengths)


@torch.no_grad()
def upper_features(classifier: EncoderClassifier, hidden: Hidden) -> Tensor:
    """Features (n, d) in evaluation mode."""
    classifier.eval()
    features = torch.empty(len(hidden.lengths), classifier.n_features)
    for index in by_length(hidden.lengths.tolist()):
        features[torch.tensor(index)] = classifier.encode(hidden.batch(index))
    return features


def by_length(lengths: Sequence[int], size: int = 64) -> Iterator[list[int]]:
    """Indices in batches of similar length."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    for first in range(0, len(order), size):
        yield order[first : first + size]


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
