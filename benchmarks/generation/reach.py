"""How many real texts are near random targets, by the number of directions in which distance is measured.

Usage: python -m benchmarks.generation.reach [--quick] [--corpus embedded|FILE.csv] [--run RUN]

No language model is used: this shows where texts are before any tokens are spent. For each number of directions: the
median distance of a target to its nearest real text; the share of targets with no real text within 1 unit and within 1
logit of their margin; and the median distance between two targets, which is the distance expected from a text that
ignores its target.

The last line is one JSON object.
"""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks._common import command_line, finish
from benchmarks.generation.world import HARMFUL, World, add_world, read_world
from vos.metrics.margins import margin
from vos.outliers import BoundarySampler

DIRECTIONS = (4, 8, 12, 16, 24)


def row(world: World, directions: int) -> dict[str, float]:
    """Where 128 targets lie, measured in so many directions."""
    space = world.space(directions)
    sampler = BoundarySampler(margin=0.0, band=1.0, distance=0.99)
    targets = space.targets(sampler(world.density, world.featurizer.head, 64, torch.Generator().manual_seed(0)))
    distances = space.distances(space.coordinates(world.batch.features), targets.coordinates)
    margins = margin(world.batch.logits, HARMFUL).double()
    near = (distances <= 1) & ((margins[:, None] - targets.margins.double()[None]).abs() <= 1)
    between = space.distances(targets.coordinates, targets.coordinates)
    return {
        "directions": directions,
        "unit": space.unit,
        "nearest_real_median": float(distances.min(0).values.median()),
        "targets_without_a_real_text": float((~near.any(0)).double().mean()),
        "between_targets_median": float(between[~torch.eye(len(between), dtype=torch.bool)].median()),
    }


def main() -> None:
    """Parse the command line and print the table."""
    parser = command_line(__doc__)
    add_world(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    world = read_world(options, 200 if options.quick else 3500)
    rows = []
    for directions in DIRECTIONS:
        rows.append(row(world, directions))
        print("  ".join(f"{name} {value:.3g}" for name, value in rows[-1].items()), flush=True)
    finish({"corpus": Path(options.corpus).name, "texts": len(world.train), "rows": rows})


if __name__ == "__main__":
    main()
