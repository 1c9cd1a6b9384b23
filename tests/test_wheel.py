"""The wheel: commands and configuration work from any folder."""

import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

from tests.conftest import ROOT
from vos import __version__

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    options = ["-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_configuration_and_the_data_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    conf = {f"vos/conf/{path.relative_to(ROOT / 'conf').as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert conf <= names
    corpora = {path.relative_to(ROOT).as_posix() for path in (ROOT / "vos/data/corpus").rglob("*") if path.is_file()}
    assert {"vos/data/corpus/ladder/corpus.jsonl", "vos/data/corpus/ladder/DATASHEET.md"} <= corpora <= names
    assert "vos/py.typed" in names
    pages = ("labeling/backends/page_files", "atlas/page", "page")
    parts = {path.relative_to(ROOT).as_posix() for page in pages for path in (ROOT / "vos" / page).rglob("*.*")}
    assert {"vos/page/d3/d3.min.js", "vos/atlas/page/page.html", "vos/page/kit.css"} <= parts
    assert {part for part in parts if not part.endswith(".pyc")} <= names
    assert {"vos/page/d3/LICENSE", "vos/page/d3/SHA256SUMS"} <= names
    assert {name.split("/")[0] for name in names} == {"vos", f"vos_text-{__version__}.dist-info"}


def test_its_commands_run_in_an_empty_folder(wheel, tmp_path):
    home, place = tmp_path / "venv", tmp_path / "place"
    venv.create(home, with_pip=False)
    site = next(home.glob("lib/*/site-packages"))
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)],
        check=True, capture_output=True,
    )  # fmt: skip
    (site / "development.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    place.mkdir()
    python = str(home / "bin/python")

    def run(program, *arguments):
        code = f"from vos.cli.main import {program}; {program}()"
        command = [python, "-c", code, *arguments]
        return subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout

    where = subprocess.run([python, "-c", "import vos; print(vos.__file__)"], cwd=place, capture_output=True, text=True)
    assert where.stdout.startswith(str(site))
    run("train", "experiment=smoke", "hydra.run.dir=run")
    assert (place / "run/metrics.json").exists()
    assert "Near-boundary texts" in run("synthesize", "run=run", "n=20")
    assert (place / "run/label.html").exists()
