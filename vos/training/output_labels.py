"""Labels where a model has more outputs than the data has classes: which output of its class a text counts as."""

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
    """The texts with the classifier's outputs as classes; as they are where it has an output for each class.

    A text stays in the class that it was given. Of several outputs that count as this class it gets the one to which
    the classifier gives the largest logit at first, so that training and density have a class for every output; people
    are shown and asked for the classes of the data alone. What a text got is kept in the run, `output_labels.json`, for
    all that goes on from it.

    Args:
        data: labelled with the classes of the data.
        featurizer: over the classifier before any training of the run.
        run: keeps the labels.
        earlier: the run that this one goes on from, whose labels stay.
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
    """The examples with an output as label: the known one where it is of their class, else the best of their class."""
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
