"""Copy the pictures of finished runs into the documents: `python -m docs.generators.figures RUN LEDGER SWEEP ROUNDS`.

RUN is the folder of `make demo`, LEDGER that of the ledger whose answers came back (RUN again, for `make demo-more`),
SWEEP that of a sweep, and ROUNDS that of a ledger with several rounds of labels; `-` leaves one out, and so does the
end of the line. Pictures go to `docs/pictures` with few colours, so that files stay small; `boundary.png` stays where
the README shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from docs.generators.links import DOCS

PICTURES = DOCS / "pictures"

OF_A_RUN = ("boundary.png", "boundary_by_round.png", "reliability.png")
OF_A_LEDGER = ("mistakes.png",)
OF_A_SWEEP = ("comparison.png",)
OF_ROUNDS = ("labelling_rounds.png",)
"""Files of a run, of a ledger's folder, of a sweep, and of a ledger's folder after several rounds."""

LEFT_OUT = "-"

COLOURS = 64
"""Of a picture: lines and dots have few."""


def copy_figures(folders: Sequence[Path], docs: Path = DOCS) -> list[Path]:
    """Copy the pictures of a run, a ledger's folder, a sweep, and a ledger's folder after several rounds.

    Args:
        folders: one to four, in this order; one called `-` is left out.
        docs: receives the files.

    Returns: the files that were written.

    Raises:
        FileNotFoundError: a folder without its pictures.
    """
    written = []
    for folder, names in zip(folders, (OF_A_RUN, OF_A_LEDGER, OF_A_SWEEP, OF_ROUNDS), strict=False):
        for name in names if folder.name != LEFT_OUT else ():
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
    for path in copy_figures([Path(each) for each in sys.argv[1:5]]):
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")
