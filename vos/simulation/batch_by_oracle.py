"""Evaluates an unlabelled batch by stored answers of a declared oracle, for demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vos.data import TextData
from vos.labeling import BoundaryRecord, text_uid
from vos.loop.mistakes import NOT_NEAR, Rate
from vos.types import Featurizer

SUBTLE = 2
"""Texts of this level and above are subtle."""


@dataclass(frozen=True)
class BatchByOracle:
    """Rates of a batch by stored answers.

    Attributes:
        near: wrong predictions among texts chosen near the boundary; made texts have no stored answer.
        random: wrong predictions in the random share.
        pool: wrong predictions in the whole pool.
        subtle_near: texts of level 2 and above among those chosen near the boundary.
        subtle_pool: the same in the whole pool; without texts if no levels are stored.
    """

    near: Rate
    random: Rate
    pool: Rate
    subtle_near: Rate
    subtle_pool: Rate

    @classmethod
    def of(
        cls,
        records: Sequence[BoundaryRecord],
        data: TextData,
        featurizer: Featurizer,
        answers: Mapping[str, str],
        levels: Mapping[str, int],
        class_of_output: Sequence[str] | None = None,
    ) -> BatchByOracle:
        """Compare predictions with stored answers.

        Args:
            records: the batch.
            data: data with the pool and the class names.
            featurizer: the classifier that chose the batch.
            answers: uid to class name.
            levels: uid to level; may be empty.
            class_of_output: the name of the class of each of the classifier's outputs; None: those of the data.
        """
        names = data.label_names if class_of_output is None else class_of_output
        pool = list(data.pool)
        uids = [text_uid(example.text) for example in pool]
        predicted = featurizer.featurize([example.text for example in pool]).logits.argmax(-1).tolist()
        wrong = {uid: names[c] != answers[uid] for uid, c in zip(uids, predicted, strict=True) if uid in answers}
        chosen = [record.uid for record in records if record.chosen not in (*NOT_NEAR, "gold") and record.uid in wrong]
        drawn = [record.uid for record in records if record.chosen == "random" and record.uid in wrong]
        return cls(
            Rate.of(wrong[uid] for uid in chosen),
            Rate.of(wrong[uid] for uid in drawn),
            Rate.of(wrong.values()),
            Rate.of(levels[uid] >= SUBTLE for uid in chosen if uid in levels),
            Rate.of(levels[uid] >= SUBTLE for uid in uids if uid in levels),
        )
