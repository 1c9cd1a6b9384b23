"""Where confident mistakes are: error by distance, by disagreement of labelled neighbours, and by the expected error.

VOS_DATA=FOLDER python -m benchmarks.selection.confident_mistakes --seeds 20   1,500 training texts each: a minute
VOS_DATA=FOLDER python -m benchmarks.selection.confident_mistakes --quick      one seed of 300

ToxiGen with the frozen bundled encoder and a logistic regression; 400 validation texts for calibration, all others for
testing. Among the fifth of the test texts with the widest margins, the error of the quarter that a measure ranks most
risky is compared with that of the quarter it ranks least risky. The last line is one JSON object; `..._ratio` are
ratios of errors pooled over the seeds, `..._half_width` the half-widths of the differences between the two quarters,
and `brier_gain` is the Brier score of the expected error on all test texts minus that of the margin calibrated alone.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks._common import add_seeds, command_line, finish, n_seeds, skip_without_public_data
from benchmarks.ablation.data import Sizes, load_task
from benchmarks.intervals import interval
from vos.density import ClassConditionalGaussian
from vos.mining.error_inputs import Array, ErrorInputs, LabelledNeighbours, wrong_side
from vos.mining.expected_error import ExpectedError
from vos.models import ClassifierFeaturizer, EncoderClassifier
from vos.types import Example, FeatureBatch, LinearHead

FULL = (1500, Sizes(2000, 2700, 400, 0, 96, 0, 0, "32-true"))
QUICK = (300, Sizes(400, 700, 200, 0, 48, 0, 0, "32-true"))
"""Training texts of a seed, and all texts: the first two numbers are drawn from together, and tested on where not
trained on; the third is that of validation texts, the fifth of tokens."""

CONFIDENT = 0.2
"""Share of the test texts, those with the widest margins."""


class Texts:
    """Features of texts under the frozen encoder, each text encoded once."""

    def __init__(self, max_length: int) -> None:
        self._featurizer = ClassifierFeaturizer(EncoderClassifier("bundled", ("a", "b"), max_length=max_length))
        self._known: dict[str, torch.Tensor] = {}

    def features(self, examples: Sequence[Example]) -> torch.Tensor:
        """(n, d) of the texts, in their order."""
        new = list(dict.fromkeys(each.text for each in examples if each.text not in self._known))
        self._known |= dict(zip(new, self._featurizer.featurize(new).features, strict=True))
        return torch.stack([self._known[each.text] for each in examples])


def labelled(texts: Texts, examples: Sequence[Example]) -> FeatureBatch:
    """Features and labels; the logits are still to come."""
    features, labels = texts.features(examples), torch.tensor([each.label for each in examples])
    return FeatureBatch(features, torch.zeros(len(labels), 2), labels)


def measured(texts: Texts, n_train: int, sizes: Sizes, seed: int) -> tuple[ErrorInputs, np.ndarray, dict[str, Array]]:
    """Inputs of the test texts of one seed, which predictions are wrong, and what each measure says of them."""
    task = load_task("toxigen", sizes, 0)
    others = list({each.text.lower(): each for each in (*task.train, *task.test)}.values())
    random.Random(seed).shuffle(others)  # noqa: S311 - no secret
    train, val, test = (labelled(texts, each) for each in (others[:n_train], task.val, others[n_train:]))
    fitted = LogisticRegression(max_iter=2000).fit(train.features.numpy(), train.labels.numpy())
    weight = torch.from_numpy(np.vstack([np.zeros_like(fitted.coef_), fitted.coef_])).float()
    head = LinearHead(weight, torch.tensor([0.0, float(fitted.intercept_[0])]))
    density = ClassConditionalGaussian(2, weight.shape[1]).fit(train.features, train.labels)
    density.calibrate(val.features, val.labels)
    neighbours = LabelledNeighbours.of(train.features, train.labels, task.harmful, 2)
    given = []
    for batch in (val, test):
        scored = FeatureBatch(batch.features, head.logits(batch.features), batch.labels)
        inputs = ErrorInputs.of(scored, density, task.harmful, neighbours)
        given.append((inputs, wrong_side(scored.logits, scored.labels, task.harmful)))
    (of_val, wrong_val), (of_test, wrong) = given
    nothing = {name: np.zeros(len(wrong_val)) for name in ("beyond", "disagreement")}
    alone = ExpectedError.fit(of_val.margins, **nothing, wrong=wrong_val)
    ours = ExpectedError.fit(of_val.margins, of_val.beyond, of_val.disagreement, wrong_val)
    zeros = np.zeros(len(wrong))
    measures = {
        "distance": 1.0 - of_test.beyond,
        "disagreement": of_test.disagreement,
        "margin": alone(of_test.margins, zeros, zeros),
        "expected_error": ours.of(of_test),
    }
    return of_test, wrong, measures


def main() -> None:
    """Measure, print a table, end with the JSON line."""
    parser = command_line(__doc__)
    add_seeds(parser)
    options = parser.parse_args()
    skip_without_public_data()
    n_train, sizes = QUICK if options.quick else FULL
    texts = Texts(sizes.max_length)
    quarters: dict[str, list[list[float]]] = defaultdict(list)
    gains, errors = [], []
    for seed in range(n_seeds(options)):
        inputs, wrong, measures = measured(texts, n_train, sizes, seed)
        size = np.abs(inputs.margins)
        confident = size >= np.quantile(size, 1.0 - CONFIDENT)
        for name, values in measures.items():
            order = np.argsort(values[confident], kind="stable")
            quarters[name].append([float(part.mean()) for part in np.array_split(wrong[confident][order], 4)])
        ours, theirs = (float(np.square(measures[name] - wrong).mean()) for name in ("expected_error", "margin"))
        gains.append(ours - theirs)
        errors.append(float(wrong.mean()))
    gain = interval(gains)
    figures: dict[str, object] = {"seeds": len(gains), "error": float(np.mean(errors))}
    print(f"error by quarter of the {CONFIDENT:.0%} most confident, as a measure orders them; last less first")
    for name, rows in quarters.items():
        means, apart = np.mean(rows, axis=0), interval([row[-1] - row[0] for row in rows])
        print(
            f"{name:16}", *(f"{value:.3f}" for value in means), f"last less first {apart.mean:.3f} ± {apart.half:.3f}"
        )
        figures |= {f"{name}_quarters": means.tolist(), f"{name}_ratio": float(means[-1] / max(means[0], 1e-9))}
        figures[f"{name}_half_width"] = apart.half
    figures |= {"brier_gain": gain.mean, "brier_gain_half_width": gain.half}
    finish(figures)


if __name__ == "__main__":
    main()
