import numpy as np
import torch
from matplotlib.image import imread

from vos.harmful import Classes
from vos.training.plots import BoundaryPoints, boundary_map, learning_curves, metrics_against


def colours(path):
    return len(np.unique(imread(path).reshape(-1, 4), axis=0))


def points(n, n_classes):
    generator = torch.Generator().manual_seed(0)
    return BoundaryPoints(
        torch.randn(n, generator=generator) * 3,
        torch.rand(n, generator=generator),
        torch.arange(n) % n_classes,
    )


def test_boundary_map_draws_texts_outliers_and_band(tmp_path):
    with_outliers, without = tmp_path / "a.png", tmp_path / "b.png"
    boundary_map(with_outliers, points(80, 2), points(40, 2), 0.5, Classes(("harmless", "harmful"), (1,)), "t")
    boundary_map(without, points(80, 2), None, 0.5, Classes(("harmless", "harmful"), (1,)), "t")
    assert imread(with_outliers).shape == (650, 1040, 4)
    assert colours(with_outliers) > 50
    assert not np.array_equal(imread(with_outliers), imread(without))


def test_boundary_map_of_many_classes(tmp_path):
    boundary_map(
        tmp_path / "a.png", points(80, 7), points(40, 7), 0.5, Classes(tuple(f"c{i}" for i in range(7)), ()), "t"
    )
    assert colours(tmp_path / "a.png") > 50


def test_what_is_farther_than_every_text_is_shaded(tmp_path):
    shaded = []
    for farthest in (0.5, 0.999):
        texts = BoundaryPoints(torch.zeros(1), torch.tensor([farthest]).double(), torch.ones(1, dtype=torch.int64))
        boundary_map(tmp_path / "a.png", texts, None, 0.5, Classes(("harmless", "harmful"), (1,)), "t")
        grey = np.abs(imread(tmp_path / "a.png")[:520, :, :3] - 0xEA / 255).max(-1) < 1e-3
        shaded.append(int(grey.any(1).sum()))  # rows of the axes, without the legend
    assert shaded[0] > 2 * shaded[1] > 100


def test_metrics_against_draws_one_panel_a_metric(tmp_path):
    metrics = {f"metric {i}": [[0.1, 0.2], [0.3, 0.5]] for i in range(4)}
    metrics_against(tmp_path / "a.png", "distance", [0.9, 0.99], metrics)
    assert colours(tmp_path / "a.png") > 50


def test_values_that_are_extrapolated_are_marked(tmp_path):
    for name, marked in (("plain", ()), ("marked", (0.99,))):
        metrics_against(tmp_path / f"{name}.png", "distance", [0.9, 0.99], {"error": [[0.1], [0.2]]}, marked)
    assert not np.array_equal(imread(tmp_path / "plain.png"), imread(tmp_path / "marked.png"))


def test_outliers_farther_out_are_drawn_higher_and_what_lies_beyond_the_ends_at_them(tmp_path):
    def row(distance):
        path, texts = tmp_path / f"{distance}.png", points(80, 2)
        place = torch.tensor([distance]).double()
        one = BoundaryPoints(torch.zeros(1), place, torch.ones(1, dtype=torch.int64))
        boundary_map(path, texts, None, 0.5, Classes(("harmless", "harmful"), (1,)), "t")
        without = imread(path)
        boundary_map(path, texts, one, 0.5, Classes(("harmless", "harmful"), (1,)), "t")
        changed = (imread(path) != without).any(-1)[:530]  # the axes alone, without the legend
        return float(np.nonzero(changed.any(1))[0].mean())

    rows = [row(q) for q in (0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0)]
    assert rows == sorted(rows, reverse=True)
    assert len(set(rows)) == len(rows)


def test_learning_curves_draw_every_strategy_and_its_interval(tmp_path):
    one_seed = {"boundary": [[0.5], [0.4]], "random": [[0.5], [0.45]]}
    seeds = {name: [[v[0] - 0.1, v[0] + 0.1] for v in values] for name, values in one_seed.items()}
    for name, curves in (("line", one_seed), ("band", seeds)):
        learning_curves(tmp_path / f"{name}.png", [0, 100], {"error": curves, "error_hard": curves})
    assert colours(tmp_path / "line.png") > 50
    assert colours(tmp_path / "band.png") > colours(tmp_path / "line.png")
