"""Builds the training set of the next round from the labels in the ledger."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vos.data import TextData
from vos.data.leaks import HeldOut
from vos.errors import ConfigError, RunError
from vos.labeling import BoundaryRecord, Item, Ledger, consensus, text_uid
from vos.labeling.backends.page import Neighbour
from vos.labeling.consensus import Method
from vos.storage.atomic import numbered_lines
from vos.storage.json_files import read_json, write_json, write_json_lines
from vos.storage.run_directory import RunDirectory
from vos.storage.sealed import sealed, unsealed
from vos.types import Example, Featurizer

logger = logging.getLogger(__name__)

LABELLED = "label:"
"""Beginning of the ids of training texts that came from labels."""


def nearest_labelled(
    featurizer: Featurizer,
    labelled: Sequence[Example],
    records: Sequence[BoundaryRecord],
    label_names: Sequence[str],
    per_class: int = 2,
) -> dict[str, list[Neighbour]]:
    """For every text, the nearest other labelled texts of each class, by Euclidean distance of the features.

    There is the same number of each class, in a fixed order of classes, so that the list does not reveal the
    prediction. A text that occurs several times, as one with more weight, counts once.
    """
    labelled = list({text_uid(example.text): example for example in labelled}.values())
    known = featurizer.featurize([example.text for example in labelled]).features
    asked = featurizer.featurize([record.text for record in records]).features
    found: dict[str, list[Neighbour]] = {record.uid: [] for record in records}
    for index, name in enumerate(label_names):
        rows = torch.tensor([i for i, example in enumerate(labelled) if example.label == index])
        if len(rows) == 0:
            continue
        nearest = torch.cdist(asked, known[rows]).topk(min(per_class + 1, len(rows)), largest=False).indices
        for record, columns in zip(records, nearest.tolist(), strict=True):
            texts = [labelled[int(rows[column])].text for column in columns]
            others = [text for text in texts if text_uid(text) != record.uid][:per_class]
            found[record.uid] += [Neighbour(text, name) for text in others]
    return found


@dataclass(frozen=True)
class MixSettings:
    """How old and new labels are combined.

    Attributes:
        new_weight: how many times each newly labelled text occurs in an epoch; old texts occur once.
        consensus: "vote" or "crowdlab", see `vos.labeling.consensus`.
        min_quality: texts whose consensus has a lower confidence are left out.
    """

    new_weight: int = 1
    consensus: Method = "vote"
    min_quality: float = 0.0

    def __post_init__(self) -> None:
        if self.new_weight < 1 or not 0 <= self.min_quality <= 1:
            raise ConfigError(f"labels: expected new_weight of at least 1 and min_quality in [0, 1], got {self}")


@dataclass(frozen=True)
class NextRound:
    """The next round's texts.

    Attributes:
        data: old and new training texts; validation and test texts are unchanged, so that rounds can be compared.
        labels: uid to class name of the new texts, for `Ledger.mark_trained`.
        counts: numbers of texts used and left out, by reason.
        name: name of the run in the ledger: the path it had when it started.
    """

    data: TextData
    labels: Mapping[str, str]
    counts: Mapping[str, int]
    name: str = ""


def next_round(data: TextData, ledger: Ledger, settings: MixSettings) -> NextRound:
    """Merge the settled labels of the ledger into the training texts.

    A text that equals a validation or test text up to case and spaces, or shares its group, is left out, because
    training on it would invalidate the comparison of rounds. A pool text keeps its group.
    A training text that people labelled again gets their label. Labelled texts are removed from the pool.
    """
    settled = consensus(ledger, settings.consensus)
    held_out = HeldOut((*data.val, *data.test))
    items = ledger.items(list(settled.labels))
    index = {name: i for i, name in enumerate(data.label_names)}
    counts = {
        "settled": len(settled.labels),
        "open": len(settled.open),
        "held out": 0,
        "held-out group": 0,
        "unsettled": 0,
        "relabelled": 0,
    }
    new: dict[str, int] = {}
    for uid, name in settled.labels.items():
        if name not in index:
            raise ConfigError(
                f"the ledger has the class {name!r}, the data {data.label_names}; translate labels.label_map"
            )
        if held_out.has_text(items[uid].text):
            counts["held out"] += 1
        elif held_out.shares(Example(uid, items[uid].text, group=_group(items[uid]))):
            counts["held-out group"] += 1
        elif settled.quality[uid] < settings.min_quality:
            counts["unsettled"] += 1
        else:
            new[uid] = index[name]
    uids = [text_uid(example.text) for example in data.train]
    train = [replace(each, label=new.get(uid, each.label)) for uid, each in zip(uids, data.train, strict=True)]
    counts["relabelled"] = sum(one.label != two.label for one, two in zip(data.train, train, strict=True))
    added = {uid: items[uid] for uid in ledger.items(list(new.keys() - uids))}
    for uid, item in added.items():
        for copy in range(settings.new_weight):
            name = f"{LABELLED}{uid}" if copy == 0 else f"{LABELLED}{uid}:{copy}"
            train.append(Example(name, item.text, new[uid], group=_group(item) or f"{LABELLED}{uid}"))
    counts |= {"old": len(data.train), "new": len(added), "new_weight": settings.new_weight}
    if left_out := counts["held out"] + counts["held-out group"]:
        logger.warning("%d labelled texts are validation or test texts, or of a group of theirs: left out", left_out)
    logger.info("next round: %s", _in_words(counts))
    used = {uid: data.label_names[label] for uid, label in new.items()}
    return NextRound(replace(data, train=train), used, counts)


def _in_words(counts: Mapping[str, int]) -> str:
    """Which answers the next round is trained with and which are left out, in words."""
    times = counts["new_weight"]
    told = [
        f"{counts['old']:,} training texts as before",
        f"{counts['new']:,} newly labelled" + (f", {times} times each" if times > 1 else ""),
    ]
    others = ("relabelled", "open", "unsettled", "held out", "held-out group")
    return ", ".join([*told, *(f"{counts[name]:,} {name}" for name in others if counts[name])])


def _group(item: Item) -> str | None:
    group = item.payload.get("group")
    return None if group is None else str(group)


def keep_round(run: RunDirectory, new: NextRound) -> None:
    """Store labels and training texts of a labelled run, because the ledger will change and the run will not."""
    write_json(run.new_labels, sealed({"run": new.name, "labels": new.labels}))
    keep_train(run, new.data)


def keep_train(run: RunDirectory, data: TextData) -> None:
    """Store the training texts of a run that the settings alone do not give."""
    write_json_lines(run.train, map(asdict, data.train))


def stored_round(run: RunDirectory, data: TextData) -> NextRound | None:
    """Read what `keep_round` stored, for a resumed run; None if it trains on no new labels.

    Args:
        run: directory of the run.
        data: its texts.

    Raises:
        RunError: the file is damaged.
    """
    kept = _kept(run)
    return None if kept is None else NextRound(data, kept["labels"], {}, kept["run"])


def trained_as(run: RunDirectory) -> str | None:
    """Name of a run in the ledger, which is the path it had when it started; None if it trains on no new labels.

    Raises:
        RunError: the file that `keep_round` stored is damaged.
    """
    kept = _kept(run)
    return None if kept is None else str(kept["run"])


def _kept(run: RunDirectory) -> dict[str, Any] | None:
    return unsealed(read_json(run.new_labels), run.new_labels) if run.new_labels.exists() else None


def with_kept_train(data: TextData, path: Path) -> TextData:
    """`data` with the training texts that `keep_round` stored at `path`; unchanged if there is no such file.

    Raises:
        RunError: the file is incomplete.
    """
    if not path.exists():
        return data
    try:
        return replace(data, train=[Example(**json.loads(line)) for _, line in numbered_lines(path)])
    except (ValueError, TypeError) as error:
        raise RunError(f"{path}: expected the training texts of a run, got: {error}") from error


def with_earlier_labels(data: TextData, path: Path, decided: Collection[str] = ()) -> TextData:
    """`data` with the labels of an earlier run, whose training texts `keep_round` stored at `path`.

    Labelled texts are added unless they are validation or test texts now; texts of `data` that were labelled again get
    that label.

    Args:
        data: texts as the settings give them.
        path: may be missing: `data` is returned.
        decided: uids of texts whose earlier labels do not count.

    Raises:
        RunError: the file is incomplete.
    """
    if not path.exists():
        return data
    kept = [each for each in with_kept_train(data, path).train if text_uid(each.text) not in decided]
    texts = {each.id: each.text for each in data.train}
    labels = {each.id: each.label for each in kept if texts.get(each.id) == each.text}
    train = [replace(each, label=labels.get(each.id, each.label)) for each in data.train]
    known, held_out = {text_uid(each.text) for each in data.train}, HeldOut((*data.val, *data.test))
    added = [each for each in kept if each.id.startswith(LABELLED) and text_uid(each.text) not in known]
    train += [each for each in added if not (held_out.has_text(each.text) or held_out.shares(each))]
    return replace(data, train=train)
