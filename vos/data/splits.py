"""Stratified, leak-free splits: groups, minimal pairs and identical texts stay together."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from scipy.cluster.hierarchy import DisjointSet

from vos.errors import ConfigError, DataError
from vos.storage.text_ids import leak_key
from vos.types import Example


def split_groups(
    examples: Sequence[Example], shares: Mapping[str, float], seed: int, label_names: Sequence[str] = ()
) -> dict[str, list[Example]]:
    """Split examples so that each group, minimal pair and repeated text is in one split.

    Examples that share a group, a pair or a text (up to case and spaces), directly or transitively, form a component.
    Components are assigned as a whole, the largest first, each to the split that then comes nearest to its share of
    every class (for components of one text this is the method of Sainte-Laguë). The split of an example depends on the
    ids, the shares in their order and the seed, not on the order of the examples; within a split the order of
    `examples` is kept.

    Args:
        examples: with unique ids; the label None is treated as a class that need not occur in every split.
        shares: by split name, positive, summing to 1.
        seed: seed of the order in which components of equal size are assigned.
        label_names: for messages; without it classes are named by index.

    Raises:
        ConfigError: shares that are not positive or do not sum to 1.
        DataError: a class has too few components to give one to every split.
    """
    if not shares or any(share <= 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1.0):
        raise ConfigError(f"expected positive shares that sum to 1, found {dict(shares)}")
    components = _components(examples)
    components.sort(key=lambda c: (-len(c.rows), hashlib.sha256(f"{seed}:{c.key}".encode("utf-8", "replace")).digest()))
    deal = _Deal(components, shares)
    deal.deal_all()
    deal.fill_gaps(label_names)
    rows: dict[str, list[int]] = {name: [] for name in shares}
    for component, name in zip(components, deal.split_of, strict=True):
        rows[name] += component.rows
    return {name: [examples[i] for i in sorted(part)] for name, part in rows.items()}


@dataclass(frozen=True, slots=True)
class _Component:
    """Examples that stay together.

    Attributes:
        key: the smallest id, which identifies the component independently of the order of the examples.
        rows: indices into the list of examples.
        labels: number of examples by class.
    """

    key: str
    rows: list[int]
    labels: Counter[int | None]


def _components(examples: Sequence[Example]) -> list[_Component]:
    """Connected components over group, pair and identical text."""
    linked = DisjointSet(range(len(examples)))
    first: dict[tuple[str, str], int] = {}
    for i, example in enumerate(examples):
        for kind, value in (("group", example.group), ("pair", example.pair), ("text", leak_key(example.text))):
            if value is not None:
                linked.merge(i, first.setdefault((kind, value), i))
    return [
        _Component(min(examples[i].id for i in rows), rows, Counter(examples[i].label for i in rows))
        for rows in map(sorted, linked.subsets())
    ]


class _Deal:
    """The assignment of components to splits.

    Args:
        components: in the order in which they are assigned.
        shares: by split name.
    """

    def __init__(self, components: Sequence[_Component], shares: Mapping[str, float]) -> None:
        self.components = components
        self.names = list(shares)
        self.split_of: list[str] = []
        total = Counter(label for component in components for label in component.labels.elements())
        self._total = total
        self._wanted = {(name, label): share * total[label] for name, share in shares.items() for label in total}
        self._have: Counter[tuple[str, int | None]] = Counter()

    def deal_all(self) -> None:
        """Assign every component to the split where it reduces the chi-square distance to the shares most."""
        for component in self.components:
            name = min(self.names, key=partial(self._growth, component.labels))
            self.split_of.append(name)
            self._move(component, None, name)

    def fill_gaps(self, label_names: Sequence[str]) -> None:
        """Ensure that every split has every class, by moving the smallest component whose split does not lose a class.

        Each move fills a gap and creates none, so this terminates.

        Raises:
            DataError: no such component.
        """
        for label in sorted(label for label in self._total if label is not None):
            for name in self.names:
                if self._have[name, label] == 0:
                    self._fill(name, label, label_names)

    def _growth(self, labels: Counter[int | None], name: str) -> float:
        """Growth of sum((have - wanted)² / wanted) when a component with these labels enters the split."""
        growth = 0.0
        for label, count in labels.items():
            wanted = self._wanted[name, label]
            growth += count * (2 * (self._have[name, label] - wanted) + count) / wanted
        return growth

    def _move(self, component: _Component, old: str | None, new: str) -> None:
        for label, count in component.labels.items():
            if old is not None:
                self._have[old, label] -= count
            self._have[new, label] += count

    def _fill(self, name: str, label: int, label_names: Sequence[str]) -> None:
        for i in reversed(range(len(self.components))):  # the smallest are last
            component, old = self.components[i], self.split_of[i]
            if label in component.labels and self._can_leave(component, old):
                self._move(component, old, name)
                self.split_of[i] = name
                return
        shown = label_names[label] if label_names else label
        units = sum(label in component.labels for component in self.components)
        raise DataError(
            f"expected texts of class {shown!r} in each of the splits {self.names}, but its {self._total[label]} texts "
            f"form {units} units that cannot be cut (texts linked by group, pair or wording), and none is free for "
            f"{name!r}; add texts of that class, ask for fewer splits (a share of 0), or use finer groups"
        )

    def _can_leave(self, component: _Component, old: str) -> bool:
        return all(label is None or self._have[old, label] > count for label, count in component.labels.items())
