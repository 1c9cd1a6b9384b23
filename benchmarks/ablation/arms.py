"""The arms of the ablation: where outliers are sampled, which loss uses them, and its weight. One table, `ARMS`."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.ablation.parts import SAMPLERS


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        sampler: in `parts.SAMPLERS`, or, from the start, in `texts.TEXTS`; None for cross-entropy alone.
        loss: in `parts.LOSSES`, or None.
        weight: beside the cross-entropy.
        depth: "head", a branch that trains the head alone, "encoder", one that trains all layers too, or "start", the
            whole training again, with the outliers beside its every batch.
        tier: arms of a lower tier are finished for all tasks and seeds first.
        trained: False for the start point itself, measured without a step.
        tasks: that it is for; all where empty.
    """

    sampler: str | None = None
    loss: str | None = None
    weight: float = 0.0
    depth: str = "head"
    tier: int = 1
    trained: bool = True
    tasks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Readable, unique within a depth, and fit for a file name with spaces replaced."""
        if not self.trained:
            return "start point"
        if self.sampler is None:
            return "cross-entropy"
        return f"{self.sampler} + {self.loss} x {self.weight:g}"


HEAD: tuple[Arm, ...] = (
    Arm("tail", "energy", 0.1),
    Arm("mixes", "hinge", 1.0),
    Arm("noise", "hinge, texts alone", 1.0),
    Arm("boundary", "flattening", 0.5),
    Arm("noise", "hinge", 1.0),
    Arm("neighbours", "hinge", 1.0),
    Arm("energy level", "hinge", 1.0),
    Arm("boundary", "hinge", 1.0),
    Arm("tail", "hinge", 1.0),
    Arm("mixes", "extra class", 0.5),
    Arm("noise", "hinge, texts alone", 10.0),
)
"""Every sampler under the hinge, which shares its text side, and one arm for each other loss that reads the logits.

The first is plain VOS. Feature uncertainty cannot move a head.
"""

HEAD_GRID: tuple[Arm, ...] = (
    *(Arm(sampler, "energy", 0.1, tier=2) for sampler in SAMPLERS if sampler != "tail"),
    Arm("mixes", "flattening", 0.5, tier=2),
    Arm("boundary", "hinge and flattening", 10.0, tier=2),
)
"""What is left of every sampler with every loss that fits and can move a head."""

ENCODER: tuple[Arm, ...] = tuple(
    Arm(sampler, loss, weight, "encoder", tier)
    for sampler, loss, weight, tier in (
        (None, None, 0.0, 2),
        ("mixes", "hinge", 1.0, 2),
        ("noise", "hinge, texts alone", 1.0, 3),
        ("mixes", "hinge, batch", 1.0, 2),
        ("boundary", "flattening", 0.5, 3),
        ("tail", "energy", 0.1, 2),
        ("tail", "features", 0.1, 3),
        ("mixes", "extra class", 0.5, 3),
        ("boundary", "hinge", 1.0, 3),
        ("noise", "hinge, texts alone", 10.0, 3),
        ("boundary", "hinge and flattening", 10.0, 3),
        ("neighbours", "features", 0.1, 4),
        ("neighbours", "hinge", 1.0, 4),
        ("energy level", "hinge", 1.0, 4),
        ("noise", "hinge", 1.0, 4),
        ("mixes", "flattening", 0.5, 4),
        ("tail", "hinge", 1.0, 4),
        ("mixes", "features", 0.1, 5),
        ("mixes", "energy", 0.1, 5),
        ("boundary", "energy", 0.1, 5),
        ("neighbours", "energy", 0.1, 5),
        ("noise", "energy", 0.1, 5),
        ("energy level", "energy", 0.1, 5),
        ("boundary", "features", 0.1, 5),
        ("noise", "features", 0.1, 5),
    )
)
"""Every sampler with every loss that fits: flattening needs points between classes, and the extra class mixes."""

START: tuple[Arm, ...] = tuple(
    Arm(sampler, loss, 0.5 if loss else 0.0, "start", tier)
    for sampler, loss, tier in (
        (None, None, 1),
        ("written texts", "extra class", 1),
        ("written texts", "energy", 2),
        ("spliced texts", "extra class", 2),
        ("mixes", "extra class", 2),
        ("written texts", "flattening", 2),
    )
)
"""Auxiliary outlier texts through the encoder, and mixes as vectors under the same loss."""

SHARED_TRAINING = ("clinc150", "embedded")
"""Tasks that train on the same texts with every seed, so that what was written for the one serves the others."""

STRONGER: tuple[Arm, ...] = (
    Arm("written texts", "energy", 2.0, "start", 2),
    Arm("more written texts", "extra class", 0.5, "start", 2, tasks=SHARED_TRAINING),
    Arm("more written texts", "energy", 2.0, "start", 3, tasks=SHARED_TRAINING),
    Arm("more written texts", "extra class", 2.0, "start", 3, tasks=SHARED_TRAINING),
)
"""More of what helped: a larger weight, more texts."""

ARMS: tuple[Arm, ...] = (Arm(trained=False), Arm(), *HEAD, *HEAD_GRID, *ENCODER, *START, *STRONGER)
"""In the order of the tables."""

assert len({(arm.name, arm.depth) for arm in ARMS}) == len(ARMS)
