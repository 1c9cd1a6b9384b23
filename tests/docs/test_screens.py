"""Screenshots of the labelling page in the documents: the command takes them, and the stored ones match."""

import numpy as np
import pytest
from PIL import Image

from docs.generators import screens
from docs.generators.figures import PICTURES
from tests.browser import find_chromium, must_run


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None and not must_run(), reason="BROWSER TESTS SKIPPED: no Chromium")
def test_the_command_takes_the_pictures_that_the_pages_show(tmp_path):
    written = screens.take(tmp_path)
    assert {path.name for path in written} == {path.name for path in PICTURES.glob("label_*.png")}
    grey = {path.name: np.asarray(Image.open(path).convert("L"), float) for path in written}
    for name, now in grey.items():
        with Image.open(PICTURES / name) as stored:
            assert stored.size == now.shape[::-1]
            assert np.abs(np.asarray(stored.convert("L"), float) - now).mean() < 15  # other fonts, the same page
    # A panel darkens what is behind it; nothing else does.
    assert grey["label_guidelines.png"].mean() < 0.8 * grey["label_text.png"].mean()
    assert all(page.mean() > 220 for name, page in grey.items() if name != "label_guidelines.png")


def test_texts_that_are_shown_are_harmless():
    assert {screens.SHOWN, screens.SHOWN_ON_A_PHONE} <= set(screens.HARMLESS)
