"""The picture of margin and distance: two classes in a plane, and virtual outliers drawn by the real samplers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

import vos

SCALE, LEFT, TOP, WIDTH, HEIGHT = 66.0, 430.0, 250.0, 860, 500
"""Pixels of a unit, the place of the origin, and the size of the picture."""

COLORS = ("#2563a8", "#b3541e")
"""Of the harmless and the harmful class."""


DIAMOND = '<path d="M20 {up}l7 7l-7 7l-7 -7z" fill="#fff" stroke="#111" stroke-width="1.8"/>'
CROSS = '<path d="M15 {high}l10 10m-10 0l10 -10" stroke="#8a1c6b" stroke-width="2.2"/>'
"""Marks of the legend."""


def plane() -> str:
    """Texts, boundary, lines of equal margin, ellipses of equal distance, and virtual outliers of two samplers."""
    generator = torch.Generator().manual_seed(0)
    means = torch.tensor([[-1.7, -0.3], [1.7, 0.3]], dtype=torch.float64)
    spread = torch.tensor([[0.8, 0.0], [0.3, 0.7]], dtype=torch.float64)
    labels = torch.arange(1160) % 2
    texts = means[labels] + torch.randn(1160, 2, generator=generator, dtype=torch.float64) @ spread.T
    density = vos.ClassConditionalGaussian(n_classes=2, n_features=2).fit(texts[:160], labels[:160])
    density.calibrate(texts[160:], labels[160:])  # as validation texts do
    normal = torch.linalg.solve(spread @ spread.T, means[1] - means[0])
    head = vos.LinearHead(torch.stack([-normal, normal]) / 2, torch.zeros(2, dtype=torch.float64))
    near = vos.BoundarySampler(margin=0.0, band=0.0)(density, head, 6, generator).features
    far = vos.TailSampler(distance=0.99)(density, head, 8, generator).features
    marks = [*_ellipses(density), *_lines(normal), *_dots(texts[:160], labels[:160])]
    marks += [_diamond(point) for point in near] + [_cross(point) for point in far]
    return _picture([*marks, *_legend()])


def _at(point: Tensor) -> tuple[float, float]:
    return LEFT + SCALE * float(point[0]), TOP - SCALE * float(point[1])


def _dots(texts: Tensor, labels: Tensor) -> Iterator[str]:
    for point, label in zip(texts, labels.tolist(), strict=True):
        x, y = _at(point)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLORS[label]}" fill-opacity="0.6"/>'


def _diamond(point: Tensor) -> str:
    x, y = _at(point)
    return f'<path d="M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7 -7z" fill="#fff" stroke="#111" stroke-width="1.8"/>'


def _cross(point: Tensor) -> str:
    x, y = _at(point)
    return f'<path d="M{x - 5:.1f} {y - 5:.1f}l10 10m-10 0l10 -10" stroke="#8a1c6b" stroke-width="2.2"/>'


def _lines(normal: Tensor) -> Iterator[str]:
    along = torch.stack([-normal[1], normal[0]]) / normal.norm() * 6.0
    for value in (-4.0, 0.0, 4.0):
        foot = normal * value / normal.square().sum()
        (x1, y1), (x2, y2) = _at(foot - along), _at(foot + along)
        style = 'stroke-width="2.5"' if value == 0.0 else 'stroke-dasharray="6 5"'
        yield f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#333" {style}/>'
        x, y = _at(foot - along * {-4.0: 0.55, 0.0: 0.62, 4.0: 0.48}[value])
        yield _text(x + 6, y, "margin 0" if value == 0.0 else f"{value:+.0f}", "#333")


def _ellipses(density: vos.ClassConditionalGaussian) -> Iterator[str]:
    angles = torch.arange(0, 2 * math.pi, math.pi / 60, dtype=torch.float64)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    for label, color in enumerate(COLORS):
        classes = torch.full((len(circle),), label)
        for distance in (0.5, 0.9, 0.99):
            radius = density.squared_radii(distance, classes[:1]).sqrt()
            points = density.color(circle * radius, classes)
            path = " ".join("{:.1f},{:.1f}".format(*_at(point)) for point in points)
            yield f'<polygon points="{path}" fill="none" stroke="{color}" stroke-opacity="0.55"/>'
            x, y = _at(points[60 if label == 0 else 0])
            yield _text(x + (4 if label else -30), y, f"{distance:g}", color)


def _legend() -> Iterator[str]:
    entries = (
        ('<circle cx="20" cy="{y}" r="4" fill="#2563a8"/>', "harmless texts"),
        ('<circle cx="20" cy="{y}" r="4" fill="#b3541e"/>', "harmful texts"),
        (DIAMOND, "outliers=boundary, margin 0"),
        (CROSS, "outliers=tail, distance 0.99"),
    )
    for i, (mark, words) in enumerate(entries):
        y = 22 + 22 * i
        yield mark.format(y=y, up=y - 7, high=y - 5) + _text(34, y + 5, words, "#111")


def _text(x: float, y: float, words: str, color: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" fill="{color}">{words}</text>'


def _picture(marks: list[str]) -> str:
    title = "Two classes of texts in a plane, the decision boundary, ellipses of equal distance, and virtual outliers"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif">\n<title>{title}</title>\n' + "\n".join(marks) + "\n</svg>\n"
    )
