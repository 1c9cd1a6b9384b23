"""How many real texts lie near drawn targets, by the number of directions that distance is measured in.

Usage: python benchmarks/reach.py [--quick] [--corpus embedded|FILE.csv] [--run RUN]

No language model is used: this tells where texts are before tokens are spent. For each number of directions: the
median distance of a target to its nearest real text; the share of targets with no real text within 1 unit and within 1
logit of their margin; and the median distance between two targets, which is what a text that ignores its target comes
to.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from benchmarks.generation.__main__ import frozen_classifier, read_corpus

from vos.density import ClassConditionalGaussian
from vos.metrics.boundary import margin
from vos.mining.targets import TargetSpace
from vos.models import ClassifierFeaturizer, load_classifier
from vos.outliers import BoundarySampler


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small size, for a check that everything runs")
    parser.add_argument("--corpus", default="embedded", help="embedded, or a csv file with text and label")
    parser.add_argument("--run", type=Path, help="a run of train.py on the same texts, for its trained classifier")
    options = parser.parse_args()
    torch.set_num_threads(1)
    train, _ = read_corpus(options.corpus, 200 if options.quick else 3500)
    if options.run is None:
        featurizer = frozen_classifier(train)
    else:
        featurizer = ClassifierFeaturizer(load_classifier(options.run / "model"))
    batch = featurizer.featurize([example.text for example in train])
    margins = margin(batch.logits).double()
    labels = torch.tensor([example.label for example in train])
    density = ClassConditionalGaussian(2, batch.features.shape[1]).fit(batch.features, labels)
    rows = []
    for directions in (4, 8, 12, 16, 24):
        space = TargetSpace.fit(batch.features, density, featurizer.head, directions)
        sampler = BoundarySampler(margin=0.0, band=1.0, distance=0.99)
        targets = space.targets(sampler(density, featurizer.head, 64, torch.Generator().manual_seed(0)))
        distances = space.distances(space.coordinates(batch.features), targets.coordinates)
        near = (distances <= 1) & ((margins[:, None] - targets.margins.double()[None]).abs() <= 1)
        between = space.distances(targets.coordinates, targets.coordinates)
        row = {
            "directions": directions,
            "unit": space.unit,
            "nearest_real_median": float(distances.min(0).values.median()),
            "targets_without_a_real_text": float((~near.any(0)).double().mean()),
            "between_targets_median": float(between[~torch.eye(len(between), dtype=torch.bool)].median()),
        }
        rows.append(row)
        print("  ".join(f"{name} {value:.3g}" for name, value in row.items()), flush=True)
    print(json.dumps({"corpus": Path(options.corpus).name, "texts": len(train), "rows": rows}))


if __name__ == "__main__":
    main()
