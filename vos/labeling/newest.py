"""Which of several answers of one person to one text holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vos.labeling.label import WITHDRAWN, Label, parse_time

Place = tuple[str, str, int]
"""uid, annotator, and 0 for the first showing or 1 for the hidden repeat."""


def newest_answers(
    labels: Iterable[tuple[int, Label]], exported: Mapping[tuple[str | None, str], int]
) -> dict[Place, Label]:
    """The answers that hold, by text, person and showing, in order of first arrival.

    Newest means: of the batch exported last; within a batch the higher revision; then the later clock; then the later
    arrival. Clocks come third because they run backwards. Where the newest is a withdrawal there is no answer.

    Args:
        labels: answers with their order of arrival.
        exported: (batch, uid) to the order of its export.
    """
    newest: dict[Place, tuple[tuple[float, ...], Label]] = {}
    for seq, label in labels:
        age = (
            exported.get((label.batch_id, label.uid), 0),
            label.revision,
            parse_time(label.labelled_at).timestamp(),
            seq,
        )
        place = (label.uid, label.annotator, label.repeat)
        if place not in newest or age > newest[place][0]:
            newest[place] = (age, label)
    return {place: label for place, (_, label) in newest.items() if label.label != WITHDRAWN}
