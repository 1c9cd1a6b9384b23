"""The picture of the loop: boxes in two rows, arrows between them; `python -m docs.generators.loop` writes it."""

from __future__ import annotations

from html import escape
from pathlib import Path

PATH = Path(__file__).resolve().parents[1] / "_static/loop.svg"
WIDTH, HEIGHT = 980, 300
BOX_WIDTH, BOX_HEIGHT, GAP, LEFT = 200, 84, 44, 24
ROWS = (30, 186)
"""Upper edges: the machine's steps above, the people's below, read the other way round."""
STEPS = (
    ("Labelled texts", "harmful, harmless"),
    ("Classifier", "any encoder, a linear head"),
    ("Gaussian per class", "on the features"),
    ("Virtual outliers", "at a chosen distance"),
    ("Decision boundary", "refined, measured"),
    ("Batch of texts", "from the pool, or written"),
    ("People", "label, and see no score"),
    ("Next round", "with the new labels"),
)
INK, LINE, FILLS = "#1f2933", "#52606d", ("#e6f0fa", "#fdf0dc")
STYLE = (
    f"text{{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:{INK};text-anchor:middle}}"
    ".n{font-size:17px;font-weight:600}.s{font-size:14px}"
)


def corner(step: int) -> tuple[int, int]:
    """Upper left corner of a step's box, in units of the picture."""
    row, place = divmod(step, 4)
    return LEFT + (place if row == 0 else 3 - place) * (BOX_WIDTH + GAP), ROWS[row]


def box(step: int) -> str:
    """A step's box with its name and one line."""
    (x, y), (name, line), middle = corner(step), STEPS[step], BOX_WIDTH // 2
    fill = FILLS[step in (5, 6, 7)]
    return (
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="10" fill="{fill}" stroke="{LINE}"/>'
        f'<text class="n" x="{x + middle}" y="{y + 37}">{escape(name)}</text>'
        f'<text class="s" x="{x + middle}" y="{y + 61}">{escape(line)}</text>'
    )


def arrow(step: int) -> str:
    """From a step's box to the next one's, the last to the first."""
    (x, y), (to_x, to_y) = corner(step), corner((step + 1) % len(STEPS))
    half = BOX_HEIGHT // 2
    if y != to_y:
        middle = x + BOX_WIDTH // 2
        start, end = (y + BOX_HEIGHT, to_y - 3) if to_y > y else (y, to_y + BOX_HEIGHT + 3)
        path = f"M{middle} {start}V{end}"
    elif to_x > x:
        path = f"M{x + BOX_WIDTH} {y + half}H{to_x - 3}"
    else:
        path = f"M{x} {y + half}H{to_x + BOX_WIDTH + 3}"
    return f'<path d="{path}" stroke="{LINE}" stroke-width="2" fill="none" marker-end="url(#a)"/>'


def picture() -> str:
    """The SVG, with a title and a description for who cannot see it."""
    steps = range(len(STEPS))
    told = "; ".join(f"{name}: {line}" for name, line in STEPS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">'
        f'<title id="t">The loop</title><desc id="d">{escape(told)}; and again from the first.</desc>'
        f"<style>{STYLE}</style>"
        '<defs><marker id="a" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L10 5L0 10z" fill="{LINE}"/></marker></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="14" fill="#ffffff"/>'
        f"{''.join(map(box, steps))}{''.join(map(arrow, steps))}</svg>\n"
    )


if __name__ == "__main__":
    PATH.write_text(picture(), "utf-8")
