"""Labels for a model with more outputs than the data has classes: assigns each text one output of its class."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vos.data import TextData
from vos.models import ClassifierFeaturizer
from vos.storage.json_files import read_json, write_json
from vos.storage.run_directory import RunDirectory
from vos.storage.text_ids import text_uid
from vos.types import Example

logger = logging.getLogger(__name__)


def label_by_output(
    data: TextData, featurizer: ClassifierFeaturizer, run: RunDirectory, earlier: RunDirectory | None = None
) -> TextData:
    """Label the texts with the classifier's outputs; unchanged if there is one output per class.

    A text keeps its class. Of several outputs that count as this class, it gets the one with the largest logit before
    training, so that training and density have a class for every output; people only see the classes of the data. The
    assignment is stored in the run, in `output_labels.json`, for all runs that continue from it.

    Args:
        data: labelled with the classes of the data.
        featurizer: featurizer of the classifier before any training of the run.
        run: directory that stores the labels.
        earlier: the run that this one continues, whose labels are kept.
    """
    classifier = featurizer.classifier
    if classifier.label_names == classifier.data_classes:
        return data
    kept: dict[str, str] = {}
    for each in (earlier, run):
        if each is not None and each.output_labels.exists():
            kept |= {uid: str(name) for uid, name in read_json(each.output_labels).items()}
    names, groups = classifier.label_names, classifier.class_of_output
    outputs_of = [[o for o, c in enumerate(groups) if c == i] for i in range(len(data.label_names))]
    known = {uid: names.index(name) for uid, name in kept.items() if name in names}
    train, val, test = (_labelled(rows, featurizer, outputs_of, known) for rows in (data.train, data.val, data.test))
    splits = {"train": train, "val": val, "test": test}
    found = {text_uid(e.text): names[e.label] for rows in splits.values() for e in rows if e.label is not None}
    if found != kept or not run.output_labels.exists():
        write_json(run.output_labels, found)
    counts = "; ".join(f"{split} {_counts(rows, names)}" for split, rows in splits.items() if rows)
    logger.info("texts by output, each the one of its class's outputs that the model gives most: %s", counts)
    return replace(data, train=train, val=val, test=test, label_names=names, harmful=classifier.harmful)


def _labelled(
    examples: Sequence[Example],
    featurizer: ClassifierFeaturizer,
    outputs_of: Sequence[Sequence[int]],
    known: Mapping[str, int],
) -> list[Example]:
    """The examples with an output as label: the stored one if it belongs to their class, otherwise the largest."""
    own = [[] if e.label is None else outputs_of[e.label] for e in examples]
    chosen = [known.get(text_uid(e.text)) for e in examples]
    labels = [c if c in some else (some[0] if len(some) == 1 else None) for c, some in zip(chosen, own, strict=True)]
    missing = [i for i, some in enumerate(own) if some and labels[i] is None]
    if missing:
        logits = featurizer.featurize([examples[i].text for i in missing]).logits
        for i, row in zip(missing, logits, strict=True):
            labels[i] = own[i][int(row[own[i]].argmax())]
    return [replace(example, label=label) for example, label in zip(examples, labels, strict=True)]


def _counts(examples: Sequence[Example], names: Sequence[str]) -> str:
    counts = Counter(example.label for example in examples)
    return ", ".join(f"{name} {counts[i]}" for i, name in enumerate(names))
