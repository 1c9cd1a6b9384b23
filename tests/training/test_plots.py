import warnings

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from vos.harmful import Classes
from vos.metrics.calibration import wilson_interval
from vos.training.comparison_plots import (
    half_width,
    learning_curves,
    learning_figure,
    metrics_against,
    metrics_figure,
    mistakes,
    mistakes_figure,
)
from vos.training.plots import BoundaryPoints, boundary_figure, boundary_map
from vos.training.round_plots import (
    margins_by_round,
    margins_figure,
    reliability,
    reliability_figure,
    reliability_groups,
)
from vos.training.style import BAND, COLOURS, LINES, MARKERS, PALE, lightness, save

TWO = Classes(("harmless", "harmful"), (1,))


def points(n, n_classes):
    generator = torch.Generator().manual_seed(0)
    return BoundaryPoints(
        torch.randn(n, generator=generator) * 3,
        torch.rand(n, generator=generator),
        torch.arange(n) % n_classes,
    )


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def words(figure):
    """Everything that is written in a figure, but for numbers at its ticks."""
    found = [axes.get_title() for axes in figure.axes] + [axes.get_xlabel() for axes in figure.axes]
    found += [axes.get_ylabel() for axes in figure.axes]
    found += [text.get_text() for each in (*figure.legends, *(a.get_legend() for a in figure.axes)) if each
              for text in each.get_texts()]  # fmt: skip
    return [each for each in found if each]


def dots(axes):
    """Points that were scattered, as (n, 2)."""
    return np.concatenate([np.asarray(each.get_offsets()) for each in axes.collections if len(each.get_offsets())])


def test_colours_stay_apart_in_grey_and_every_series_has_a_marker_and_a_line_of_its_own():
    light = sorted(map(lightness, COLOURS))
    assert min(np.diff(light)) >= 7.5
    assert abs(lightness(COLOURS[0]) - lightness(COLOURS[1])) >= 20  # two classes need most
    assert max(light) <= 75 < lightness(BAND) < lightness(PALE) < 100  # on white, and on the shaded areas
    assert len(COLOURS) == len(set(MARKERS)) == len({str(each) for each in LINES})


def test_boundary_map_has_every_text_and_outlier_the_band_and_words(tmp_path):
    texts, outliers = points(80, 2), points(40, 2)
    figure = boundary_figure(texts, outliers, 0.5, TWO, "the title")
    main, above, beside = figure.axes
    assert len(dots(main)) == 120
    expected = sorted(np.concatenate([texts.margins.numpy(), outliers.margins.numpy()]))
    np.testing.assert_allclose(sorted(dots(main)[:, 0]), expected, rtol=1e-6)
    assert legend(figure) == [
        "near the boundary: |margin| ≤ 0.50", "farther than every text shown", "text: harmless (40)",
        "virtual outlier of harmless (20)", "text: harmful (40)", "virtual outlier of harmful (20)",
    ]  # fmt: skip
    assert main.get_xlabel() == "margin = logit(harmful) - logit(harmless)"
    assert main.get_ylabel().startswith("calibrated distance: share of real texts")
    assert above.get_title() == "the title"
    ticks = [tick.get_text() for tick in main.get_yticklabels()]
    assert ticks == ["0.01", "0.1", "0.5", "0.9", "0.99", "0.999", "0.9999"]
    # Densities: areas of one along the margin, as high as the values are dense.
    for axes in (above, beside):
        curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
        assert [line.get_linestyle() for line in curves] == ["-", "--"]
    x, y = next(line for line in above.lines if len(line.get_xdata()) > 2).get_data()
    assert np.trapezoid(y, x) == pytest.approx(1.0, abs=0.01)
    boundary_map(tmp_path / "a.png", texts, outliers, 0.5, TWO, "t")
    assert imread(tmp_path / "a.png").shape == (780, 1040, 4)


def test_boundary_map_of_many_classes_of_few_texts_and_of_dollars():
    figure = boundary_figure(points(80, 7), points(40, 7), 0.5, Classes(tuple(f"c{i}$" for i in range(7)), ()), "t")
    assert len(dots(figure.axes[0])) == 120
    assert r"text: c0\$ (12)" in legend(figure)
    assert figure.axes[0].get_xlabel() == "margin = largest logit - second largest"
    few = boundary_figure(points(4, 2), None, 0.5, TWO, "t")  # two texts a class have no density
    assert not [line for line in few.axes[1].lines if len(line.get_xdata()) > 2]


@pytest.mark.parametrize("name", ["c{}", "a class whose name is as long as a sentence of some length {}"])
def test_many_classes_and_long_names_leave_room_for_the_picture(name, tmp_path):
    classes = Classes(tuple(name.format(i) for i in range(150)), (0, 1, 2, 3))
    texts, outliers = points(600, 150), points(300, 150)
    figure = boundary_figure(texts, outliers, 0.5, classes, "t")
    assert legend(figure)[-1] == "and 278 more"
    assert len([line for line in figure.axes[1].lines if len(line.get_xdata()) > 2]) == 2  # a density for each side
    margins = {0: texts.margins.double().numpy(), 1: texts.margins.double().numpy() * 2}
    by_round = margins_figure(margins, texts.labels.numpy(), 0.5, 0, classes)
    assert legend(by_round)[1:] == ["other classes (584)", "harmful classes (16)"]
    for each in (figure, by_round):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as that the panels have no room
            save(each, tmp_path / "a.png")
        panel = max((axes.get_position() for axes in each.axes), key=lambda box: box.width * box.height)
        assert panel.width > 0.6
        assert panel.height > 0.25
        for part in (each.legends[0], each.axes[0].xaxis.label):
            edges = part.get_window_extent()
            assert 0 <= edges.x0 <= edges.x1 <= each.bbox.width


def test_outliers_farther_out_are_higher_and_what_lies_beyond_the_ends_is_at_them():
    q = torch.tensor([0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0]).double()
    one = BoundaryPoints(torch.zeros(7), q, torch.ones(7, dtype=torch.int64))
    (axes, *_) = boundary_figure(one, None, 0.5, TWO, "t").axes
    heights = dots(axes)[:, 1]
    assert (np.diff(heights) > 0).all()
    low, high = axes.get_ylim()
    assert low < heights[0] < 1.2 * low
    assert 1 - high < 1 - heights[-1] < 1.2 * (1 - high)


def test_margins_by_round_have_a_panel_each_with_every_text(tmp_path):
    rng = np.random.default_rng(0)
    margins, labels = {i: rng.normal(size=30) for i in range(9)}, np.arange(30) % 2
    figure = margins_figure(margins, labels, 0.5, 8, TWO)
    names = [axes.get_ylabel() for axes in figure.axes]
    assert names == ["round 0", "round 4", "round 5", "round 6", "round 7", "round 8\nkept"]
    ticks = [line.get_xdata() for line in figure.axes[1].lines if line.get_marker() == "|"]
    np.testing.assert_array_equal(np.sort(np.concatenate(ticks)), np.sort(margins[4]))
    assert legend(figure) == ["near the boundary: |margin| ≤ 0.50", "harmless (15)", "harmful (15)"]
    assert "Margins of the validation texts, by round" in words(figure)
    margins_by_round(tmp_path / "a.png", margins, labels, 0.5, 8, TWO)
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_reliability_diagram_shows_shares_with_wilson_intervals(tmp_path):
    said = np.linspace(0.01, 0.99, 100)
    true = (np.arange(100) % 10 < np.arange(100) // 10).astype(float)
    x, k, n = reliability_groups(said, true)
    assert n.tolist() == [10.0] * 10
    assert k.tolist() == list(range(10))
    assert x[0] == pytest.approx(said[:10].mean())
    figure = reliability_figure({0: said, 2: said**2}, {0: true, 2: true}, of_harm=True)
    drawn, below = figure.axes
    (line, caps, (bars,)) = drawn.containers[0]
    assert line.get_ydata() == pytest.approx(k / 10)
    assert len(caps) == 2
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    assert ends[3] == pytest.approx(wilson_interval(3, 10))
    assert [each.get_text() for each in drawn.get_legend().get_texts()] == ["as it says", "round 0", "round 2"]
    assert drawn.get_ylabel() == "share that is harmful"
    assert below.get_xlabel() == "predicted probability of harm"
    assert sum(patch.get_path().vertices[:, 1].max() > 0 for patch in below.patches) == 2
    other = reliability_figure({0: said}, {0: true}, of_harm=False)
    assert {"share that is right", "predicted probability of the predicted class"} <= set(words(other))
    reliability(tmp_path / "a.png", {0: said}, {0: true}, True)
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_comparison_shows_every_seed_means_and_intervals_in_words(tmp_path):
    metrics = {
        "boundary/val/brier": [[0.1, 0.2, 0.3], [0.3, 0.5, 0.4]],
        "boundary/outlier_energy_auroc": [[0.5], [0.6]],
    }
    figure = metrics_figure("outliers.distance", [0.9, 0.99], metrics, {0.99})
    first, second = figure.axes
    values = [value for line in first.lines if line.get_gid() == "values" for value in line.get_ydata()]
    assert values == [0.1, 0.2, 0.3, 0.3, 0.5, 0.4]
    (line, _, (bars,)) = first.containers[0]
    assert line.get_ydata() == pytest.approx([0.2, 0.4])
    low, high = bars.get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx(half_width([0.1, 0.2, 0.3]))
    assert words(figure) == ["Brier score, validation texts", "AUROC of the energy,\nvirtual outliers",
                             *["distance of the virtual outliers"] * 2]  # fmt: skip
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["0.9", "0.99\nextra-\npolated"]
    assert not second.containers[0][2]  # single values have no interval
    metrics_against(tmp_path / "a.png", "outliers.distance", [0.9, 0.99], metrics)
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_no_title_of_a_panel_is_wider_than_its_panel():
    names = ["boundary/outlier_mahalanobis_median", "boundary/test/band_error", "boundary/infeasible_share"]
    figure = metrics_figure("seed", [0, 1], {name: [[0.1], [0.2]] for name in names})
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "median squared Mahalanobis\ndistance of the virtual outliers"
    assert titles[1] == "error near the boundary,\ntest texts"
    assert max(len(line) for title in titles for line in title.splitlines()) <= 37


def test_a_metric_may_bring_its_own_intervals():
    figure = metrics_figure("texts labelled", [100, 200], {"near/error": [[0.4], [0.3]]},
                            intervals={"near/error": [(0.3, 0.6), (0.2, 0.5)]})  # fmt: skip
    (_, _, (bars,)) = figure.axes[0].containers[0]
    np.testing.assert_allclose([segment[:, 1] for segment in bars.get_segments()], [(0.3, 0.6), (0.2, 0.5)])
    assert words(figure) == ["wrong near the boundary", "texts labelled"]
    assert [line for axes in figure.axes for line in axes.lines if line.get_gid() == "values"] == []  # as the mean


def test_learning_curves_draw_every_strategy_with_a_look_of_its_own(tmp_path):
    curves = {"boundary": [[0.5, 0.6], [0.4, 0.4]], "random": [[0.5, 0.5], [0.45, 0.4]]}
    figure = learning_figure([0, 100], {"error": curves, "error_hard": curves})
    assert legend(figure) == ["boundary", "random"]
    assert words(figure)[:2] == ["error, test texts", "error, subtle texts"]
    lines = [container[0] for container in figure.axes[0].containers]
    np.testing.assert_allclose([line.get_ydata() for line in lines], [[0.55, 0.4], [0.5, 0.425]])
    assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == 2
    learning_curves(tmp_path / "a.png", [0, 100], {"error": {"one": [[0.5], [0.4]]}})
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_mistakes_found_stand_beside_each_other_with_counts_and_intervals(tmp_path):
    rounds = {0: {"near the boundary": (39, 88), "random share": (1, 12)}, 1: {"near the boundary": (5, 10)}}
    figure = mistakes_figure(rounds)
    (axes,) = figure.axes
    near, random = axes.containers
    assert near[0].get_ydata() == pytest.approx([39 / 88, 0.5])
    assert random[0].get_ydata() == pytest.approx([1 / 12])
    (bars,) = random[2]
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], wilson_interval(1, 12))
    assert [text.get_text() for text in axes.texts] == ["39 of 88", "5 of 10", "1 of 12"]
    assert legend(figure) == ["near the boundary", "random share"]
    assert {"share that is wrong", "classifier that proposed the texts"} <= set(words(figure))
    mistakes(tmp_path / "a.png", rounds)
    assert (tmp_path / "a.png").stat().st_size > 1000
