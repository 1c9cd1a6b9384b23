"""Strategies of the comparison against literal versions of their definitions, and the benchmark itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from sklearn.cluster import KMeans

from benchmarks.selection import __main__ as program
from benchmarks.selection import peers
from benchmarks.selection.arms import ARMS, coverage
from benchmarks.selection.results import columns, difference, holm
from benchmarks.selection.sets import LabelledSet
from benchmarks.selection.state import State, fit, softmax
from benchmarks.selection.unit import Plan, Problem, path_of, recall_at_fpr, run, start
from vos.types import Example

D = 5


def state(seed=0, pool=60, labelled=12, n_classes=3, n=7, harmful=()):
    draw = np.random.default_rng(seed)
    total = pool + labelled
    return State(
        features=draw.normal(size=(total, D)).astype(np.float32),
        ids=tuple(f"i{i:03d}" for i in range(total)),
        pool=np.arange(pool),
        labelled=np.arange(pool, total),
        labels=np.arange(labelled) % n_classes,
        weight=draw.normal(size=(n_classes, D)).astype(np.float32),
        bias=draw.normal(size=n_classes).astype(np.float32),
        harmful=harmful,
        n=n,
        seed=seed,
        held_out=(np.empty((0, D), np.float32), np.empty(0, int)),
    )


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_strategy_gives_different_texts_of_the_pool(name, n_classes):
    given = state(n_classes=n_classes, harmful=(1,) if n_classes == 2 else ())
    chosen = np.asarray(ARMS[name](given))
    assert len(set(chosen.tolist())) == 7
    assert np.isin(chosen, given.pool).all()
    assert chosen.tolist() == np.asarray(ARMS[name](given)).tolist()


def test_margin_and_entropy_are_those_of_the_prediction():
    given = state()
    p = softmax(given.logits(given.pool))
    gaps = np.sort(given.logits(given.pool), 1)
    assert peers.margin(given).tolist() == np.argsort(gaps[:, -1] - gaps[:, -2])[:7].tolist()
    assert peers.entropy(given).tolist() == np.argsort(-stats.entropy(p, axis=1))[:7].tolist()


def test_badge_is_k_means_plus_plus_over_explicit_gradients():
    given = state()
    p = softmax(given.logits(given.pool)).astype(np.float64)
    with_one = np.concatenate([given.features[given.pool], np.ones((60, 1))], 1)
    residual = p - np.eye(3)[p.argmax(1)]
    gradients = (residual[:, :, None] * with_one[:, None, :]).reshape(60, -1)
    draw = given.draw()
    chosen = [int((gradients**2).sum(1).argmax())]
    while len(chosen) < 7:
        nearest = ((gradients[:, None] - gradients[chosen][None]) ** 2).sum(2).min(1)
        nearest[chosen] = 0.0
        chosen.append(int(draw.choice(60, p=nearest / nearest.sum())))
    assert peers.badge(given).tolist() == chosen


def test_cal_is_the_mean_divergence_of_the_nearest_labelled_texts():
    given = state(labelled=25)
    p, q = softmax(given.logits(given.pool)), softmax(given.logits(given.labelled))
    unit = given.features / np.linalg.norm(given.features, axis=1, keepdims=True)
    scores = []
    for i, row in enumerate(given.pool):
        near = np.argsort(-unit[given.labelled] @ unit[row])[:10]
        scores.append(np.mean([stats.entropy(q[j], p[i]) for j in near]))
    assert peers.cal(given).tolist() == np.argsort(-np.array(scores))[:7].tolist()


def test_coreset_takes_the_farthest_text_each_time():
    given = state()
    known, chosen = list(given.labelled), []
    for _ in range(7):
        gaps = ((given.features[given.pool][:, None] - given.features[known][None]) ** 2).sum(2).min(1)
        gaps[chosen] = -1
        chosen.append(int(gaps.argmax()))
        known.append(chosen[-1])
    assert peers.coreset(given).tolist() == chosen


def test_probcover_covers_the_most_uncovered_texts_each_time(monkeypatch):
    monkeypatch.setattr(peers, "_pure_radius", lambda *_: 0.6)
    given = state(n_classes=2)
    unit = given.features / np.linalg.norm(given.features, axis=1, keepdims=True)
    near = ((unit[:, None] - unit[None]) ** 2).sum(2) <= 0.36
    covered = near[given.labelled].any(0)
    chosen = []
    for _ in range(7):
        gains = (near[:60] & ~covered).sum(1)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered |= near[chosen[-1]]
    assert peers.probcover(given).tolist() == chosen


def test_a_radius_is_the_largest_whose_balls_are_pure():
    two = np.concatenate([np.tile([1.0, 0.0], (20, 1)), np.tile([0.0, 1.0], (20, 1))])  # sqrt(2) apart
    assert peers._pure_radius(two, 2, 0.95, 0) == pytest.approx(1.4)


def test_margin_with_clusters_takes_one_text_of_each_cluster():
    given = state(pool=70, n=7, n_classes=2)
    chosen = peers.margin_kmeans(given, multiple=10)  # the whole pool is clustered
    near = given.pool[np.argsort(given.margins(given.pool), kind="stable")]
    centres = KMeans(7, n_init=1, random_state=given.seed).fit(given.features[near]).cluster_centers_
    gaps = ((given.features[near][:, None] - centres[None]) ** 2).sum(2)
    place = {int(row): i for i, row in enumerate(near)}
    own = [gaps[place[int(row)], c] for c, row in enumerate(chosen)]
    assert own == pytest.approx(gaps.min(0), abs=1e-5)  # a cluster of two texts has two nearest ones


def test_typical_texts_come_from_clusters_without_a_label():
    draw = np.random.default_rng(0)
    given = state(n=3, n_classes=2)
    places = np.repeat(np.eye(5) * 10, [12, 12, 12, 12, 24], axis=0)  # the labelled texts lie with the fifth group
    features = (places + draw.normal(size=(72, D), scale=0.1)).astype(np.float32)
    chosen = peers.typiclust(State(**vars(given) | {"features": features, "n": 3}))
    assert len({int(row) // 12 for row in chosen}) >= 2
    assert all(int(row) < 60 for row in chosen)


def test_a_hard_band_asks_for_the_nearest_alone():
    given = state(pool=50, n_classes=2, harmful=(1,))
    nearest = given.pool[np.argsort(given.margins(given.pool))[:20]]
    assert set(coverage(given, band=0.4).tolist()) <= set(nearest.tolist())


def labelled_set():
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 2, 300)
    examples = tuple(Example(f"t{i}", f"t{i}", int(y), level=int(i % 4)) for i, y in enumerate(labels))
    features = (draw.normal(size=(300, D)) + labels[:, None]).astype(np.float32)
    parts = (tuple(range(200)), tuple(range(100)), tuple(range(200, 240)), tuple(range(240, 300)))
    return LabelledSet("made up", 2, (1,), examples, *parts), features


def test_a_unit_is_a_learning_curve_from_a_start_that_all_share():
    data, features = labelled_set()
    problem = Problem.of(data, features, Plan(start=20, rounds=2, per_round=15))
    assert set(start(data, problem.plan, 3).tolist()) <= set(range(100))
    curve, seconds = run(problem, 3, peers.margin)
    other, _ = run(problem, 3, peers.random_choice)
    assert [row["labels"] for row in curve] == [20, 35, 50]
    assert curve[0] == other[0]
    assert curve != other
    assert seconds >= 0
    assert {"error", "auroc", "average_precision", "recall_at_fpr05", "error_levels_2_3", "mistakes"} <= set(curve[1])
    figures = columns({3: curve})
    assert (figures["seed"], figures["start"], figures["labels"]) == ([3], [20], [50])
    area = (curve[0]["error"] + 2 * curve[1]["error"] + curve[2]["error"]) / 4
    assert figures["area"] == [pytest.approx(area, abs=1e-4)]
    assert figures["mistakes"] == [pytest.approx((curve[1]["mistakes"] + curve[2]["mistakes"]) / 2, abs=1e-4)]


def test_recall_at_a_rate_counts_what_lies_above_so_many_others():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    harmful = np.array([True, False, True, False, True, False])
    assert recall_at_fpr(scores, harmful, 0.05) == pytest.approx(1 / 3)
    assert recall_at_fpr(scores, harmful, 0.4) == pytest.approx(2 / 3)


def test_a_class_without_a_text_is_never_predicted():
    features = np.random.default_rng(0).normal(size=(30, D)).astype(np.float32)
    weight, bias = fit(features, np.arange(30) % 2 * 2, 4, 1.0)
    assert set((features @ weight.T + bias).argmax(1).tolist()) <= {0, 2}


def test_differences_are_paired_and_corrected():
    def curves(shift):
        return {seed: [{"error": 0.5}, {"error": 0.3 + seed / 100 + shift * (1 + seed / 10)}] for seed in range(6)}

    by_arm = {"coverage": curves(-0.05), "random": curves(0.0), "margin": curves(-0.049)}
    found = {arm: columns(by_seed) for arm, by_seed in by_arm.items()}
    gaps = [-0.05 * (1 + seed / 10) for seed in range(6)]
    assert difference(found, "coverage", "random", "error").mean == pytest.approx(np.mean(gaps))
    raw = {
        other: stats.ttest_rel(
            [c[-1]["error"] for c in by_arm["coverage"].values()], [c[-1]["error"] for c in by_arm[other].values()]
        ).pvalue
        for other in ("random", "margin")
    }
    p = holm(found, ("random", "margin"), "error")
    assert p[min(raw, key=raw.get)] == pytest.approx(2 * min(raw.values()))
    assert p[max(raw, key=raw.get)] == pytest.approx(max(max(raw.values()), 2 * min(raw.values())))


def test_the_last_line_is_one_object(tmp_path, capsys, monkeypatch):
    """Of units that are there already; nothing is run."""
    for arm, error in (("coverage", 0.2), ("random", 0.3)):
        for seed in (0, 1):
            path = path_of(tmp_path, ("ladder", "minilm", seed, arm))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"curve": [{"error": 0.4}, {"error": error + seed / 100}]}))
    monkeypatch.setattr("sys.argv", ["x", "--sets", "ladder", "--encoders", "minilm", "--seeds", "2",
                                     "--arms", "coverage", "random", "--output", str(tmp_path)])  # fmt: skip
    program.main()
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last == {"ladder/minilm/coverage_minus_random": [-10.0, -10.0, -10.0]}
