"""Assigns texts to people, including gold texts and texts that several people label."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vos.errors import ConfigError
from vos.labeling.records import BoundaryRecord

LONGEST = 200
"""Largest number of bytes of a person's name in a file name; file systems allow 255 in total."""


@dataclass(frozen=True)
class Plan:
    """How a batch is composed and assigned to people.

    Attributes:
        gold_share: gold texts (with known answers) as a share of the batch; they look like the others, measure every
            person's accuracy, and are never trained on.
        gold_path: file of gold texts with the columns `text` and `label` (csv, tsv, jsonl, parquet); None: drawn from
            the validation texts of the run.
        annotators: names of people; each gets their own page, sheet, project or data set. Empty: one for all.
        overlap_share: with `annotators`: share of the texts, at least one of every source, that several people label,
            to measure agreement. Gold texts go to everyone.
        overlap_people: number of people for these texts.
    """

    gold_share: float = 0.05
    gold_path: str | None = None
    annotators: Sequence[str] = ()
    overlap_share: float = 0.15
    overlap_people: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.gold_share <= 0.5 or not 0 <= self.overlap_share <= 1 or self.overlap_people < 2:
            raise ConfigError(
                "labeling.plan: expected gold_share in [0, 0.5], overlap_share in [0, 1] and overlap_people of at "
                f"least 2, got {self}"
            )
        names = [suffix_for(name) for name in self.annotators]
        wrong = [name for name in self.annotators if not name.strip() or name != name.strip()]
        if len(set(names)) < len(names) or wrong or any(len(name.encode()) > LONGEST for name in names):
            raise ConfigError(
                "labeling.plan.annotators: expected different names (also as file names), none of them empty or longer "
                f"than {LONGEST} bytes, got {[f'{name:.40}' for name in self.annotators]}"
            )
        if names and self.overlap_share > 0 and self.overlap_people > len(names):
            raise ConfigError(
                f"labeling.plan: overlap_people={self.overlap_people}, but there are {len(names)} annotators; name "
                "more of them, or set overlap_share=0"
            )

    def assign(
        self, batch_id: str, records: Sequence[BoundaryRecord], everyone: Collection[str]
    ) -> dict[str, list[str]]:
        """The people who label each text, by uid; [] for each if no names are given.

        All pairs (or groups of k) of people share about equally many texts, and all people get about equally many.

        Args:
            batch_id: id of the batch, which determines the assignment.
            records: the texts.
            everyone: uids of texts for all people.
        """
        if not self.annotators:
            return {record.uid: [] for record in records}
        given = {record.uid: list(self.annotators) for record in records if record.uid in everyone}
        sources: dict[str, list[str]] = {}
        for record in mixed_up(batch_id, records):
            if record.uid not in everyone:
                sources.setdefault(f"{record.chosen} {record.provenance.source}", []).append(record.uid)
        groups = itertools.cycle(itertools.combinations(self.annotators, self.overlap_people))
        load = Counter(dict.fromkeys(self.annotators, 0))
        alone = []
        for uids in sources.values():
            shared = share_of(self.overlap_share, len(uids))
            alone += uids[shared:]
            for uid in uids[:shared]:
                given[uid] = list(next(groups))
                load.update(given[uid])
        for uid in alone:
            given[uid] = [min(load, key=load.__getitem__)]
            load.update(given[uid])
        return given


def share_of(share: float, n: int) -> int:
    """`share` of `n`, rounded up; 0.07 of 100 is 7 although the product of the floats is slightly larger.

    Example:
        >>> share_of(0.07, 100), share_of(0.07, 101), share_of(0.0, 100)
        (7, 8, 0)
    """
    return math.ceil(round(share * n, 9))


def batch_name(uids: Sequence[str], round: int) -> str:
    """Name of a batch, derived from round and texts, so that a repeated command continues an interrupted batch."""
    return f"r{round:02d}-{hashlib.sha256(' '.join(sorted(uids)).encode()).hexdigest()[:8]}"


def mixed_up(batch_id: str, records: Sequence[BoundaryRecord]) -> list[BoundaryRecord]:
    """The records in a random order that is fixed for the batch."""
    return sorted(records, key=lambda record: hashlib.sha256(f"{batch_id} {record.uid}".encode()).digest())


def suffix_for(annotator: str) -> str:
    """Suffix of the file name for a person, "" without a name.

    Example:
        >>> suffix_for("Ann O'Neill"), suffix_for("")
        ('-ann_o_neill', '')
    """
    slug = re.sub(r"[^\w-]+", "_", annotator.strip()).lower()
    return f"-{slug}" if annotator else ""


def people_of(given: Mapping[str, Sequence[str]]) -> list[str]:
    """Everybody in an assignment, sorted."""
    return sorted({name for names in given.values() for name in names})
