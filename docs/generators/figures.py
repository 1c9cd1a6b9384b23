"""Copy the pictures of finished runs into the documents: `python -m docs.generators.figures RUN [LEDGER] [SWEEP]`.

RUN is the folder of `make demo`, LEDGER that of the ledger whose answers came back (RUN again, for `make demo-more`),
and SWEEP that of a sweep. Pictures go to `docs/pictures` with few colours, so that files stay
small; `boundary.png` stays where the README shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from docs.generators.links import DOCS

PICTURES = DOCS / "pictures"

OF_A_RUN = ("boundary.png", "boundary_by_round.png", "reliability.png")
OF_A_LEDGER = ("mistakes.png", "labelling_rounds.png")
OF_A_SWEEP = ("comparison.png",)
"""Files of a run, of a ledger's folder and of a sweep."""

COLOURS = 64
"""Of a picture: lines and dots have few."""


def copy_figures(folders: Sequence[Path], docs: Path = DOCS) -> list[Path]:
    """Copy what there is of a run, a ledger's folder and a sweep.

    Args:
        folders: one to three, in this order.
        docs: receives the files.

    Returns: the files that were written.

    Raises:
        FileNotFoundError: a run without its pictures.
    """
    written = []
    for folder, names in zip(folders, (OF_A_RUN, OF_A_LEDGER, OF_A_SWEEP), strict=False):
        for name in names:
            if names is not OF_A_LEDGER or (folder / name).exists():
                target = docs / name if name == "boundary.png" else docs / PICTURES.name / name
                written.append(shrink(folder / name, target))
    return written


def shrink(source: Path, target: Path) -> Path:
    """Copy a picture with few colours; returns the copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(target, optimize=True)
    return target


if __name__ == "__main__":
    for path in copy_figures([Path(each) for each in sys.argv[1:4]]):
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")
