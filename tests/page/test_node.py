"""The page modules under node: tests of those without DOM access, and type checks of all."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.browser import npm_file
from tests.conftest import ROOT
from tests.hostile_texts import HOSTILE
from vos.interpret.words import split_words

pytestmark = pytest.mark.slow  # starts processes

HERE = ROOT / "tests" / "page"
DIFFER = """
import fs from "node:fs";
import { wordsOf } from "./word_split.js";
const rows = JSON.parse(fs.readFileSync("rows.json", "utf-8"));
const differ = rows.filter(([text, words]) => JSON.stringify(wordsOf(text)) !== JSON.stringify(words));
process.stdout.write(JSON.stringify(differ.map(([text, words]) => [text, words, wordsOf(text)])) + "\\n");
"""


@pytest.fixture(scope="module")
def node() -> str:
    """Path of node; without it the pages are built all the same, and this is skipped loudly."""
    found = shutil.which("node")
    if not found:
        pytest.skip("NO NODE: modules and types of the pages were NOT checked")
    return found


def test_modules_that_touch_no_element(node, tmp_path):
    for folder in ("page", "atlas/page"):
        shutil.copytree(ROOT / "vos" / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(HERE / "pure.test.mjs", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    done = subprocess.run(
        [node, "--test", "pure.test.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 11" in done.stdout


def test_words_are_those_of_the_producers(node, tmp_path):
    """Every letter with a case, and rows of signs that a splitter may take apart."""
    draw = np.random.default_rng(0)
    signs = "aB1’'-\u2010\u200d\u00ad\u0301!.,？。 \n漢字ひゞカﾊﾟ😀👍🏽🇩🇪ßΣςİıẞ\ufe0f\u20e3\u200e\u0000़ाकᎠꭰᏸ"
    cased = [chr(c) for c in range(0x20000) if not 0xD800 <= c < 0xE000 and chr(c) != chr(c).casefold()]
    texts = [*HOSTILE, *cased, *("".join(draw.choice(list(signs), draw.integers(1, 15))) for _ in range(3000))]
    rows = [[text, [word.text for word in split_words(text)]] for text in texts]
    (tmp_path / "rows.json").write_text(json.dumps(rows, allow_nan=False), encoding="utf-8")
    shutil.copy(ROOT / "vos" / "atlas" / "page" / "word_split.js", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "differ.mjs").write_text(DIFFER)
    done = subprocess.run([node, "differ.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "[]\n", done.stdout[:2000] + done.stderr


@pytest.fixture(scope="module")
def tsc() -> Path:
    """The compiler of TypeScript, from npm at test time: a tool for developers alone."""
    return npm_file("typescript@5", "bin/tsc", "TYPES OF THE PAGES WERE NOT CHECKED")


def test_types(node, tsc):
    done = subprocess.run(
        [node, str(tsc), "-p", str(HERE / "tsconfig.json")], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout
