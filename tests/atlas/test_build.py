"""Building one file from artefacts: deterministic, complete, checked, and within its size limits."""

import json
import re

import numpy as np
import pytest

from tests.atlas.artefacts import VIEWS, write_artefacts
from vos.atlas import build
from vos.atlas.build import AtlasPageSettings, build_atlas, page_bytes
from vos.atlas.describe import principal_components
from vos.atlas.page_data import flat, read_artefacts, slim
from vos.errors import DataError, RunError


def data_of(content: bytes) -> dict:
    return json.loads(content.decode().split('id="data">')[1].split("</script>")[0])


def test_the_same_artefacts_give_the_same_bytes(tmp_path):
    write_artefacts(tmp_path / "a", 40)
    write_artefacts(tmp_path / "b", 40)
    pages = [build_atlas(tmp_path / name, tmp_path / f"{name}.html").read_bytes() for name in "ab"]
    assert pages[0] == pages[1]
    blind = [page_bytes(read_artefacts(tmp_path / name), AtlasPageSettings(blind=True)) for name in "ab"]
    assert blind[0] == blind[1] != pages[0]


def test_a_missing_artefact_drops_its_view_and_says_how_to_make_it(tmp_path):
    write_artefacts(tmp_path, 12, without=VIEWS)
    shown = data_of(page_bytes(read_artefacts(tmp_path), AtlasPageSettings()))
    assert shown["views"] == {}
    assert set(shown["missing"]) == set(VIEWS)
    assert "only=saliency" in shown["missing"]["saliency"]


def test_the_policy_allows_what_is_there_by_its_hash_and_nothing_else(tmp_path):
    write_artefacts(tmp_path, 3)
    content = build_atlas(tmp_path, tmp_path / "atlas.html").read_text("utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', content)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"(?:src|href)=", content.split("<script>")[0].split("</style>")[1])


def test_numbers_are_short_and_saliency_lies_in_rows(tmp_path):
    made = write_artefacts(tmp_path, 20)
    shown = slim(read_artefacts(tmp_path))
    words = made["saliency"]["words"][3]
    row, at, back = shown["saliency"]["words"][3], 0, []
    for gap, length, value in zip(row[::3], row[1::3], row[2::3], strict=True):
        back.append([at + gap, at + gap + length, value])
        at += gap + length
    assert [each[:2] for each in back] == [each[:2] for each in words]
    assert all(abs(a[2] - b[2]) <= 0.0051 for a, b in zip(back, words, strict=True))
    assert shown["texts"]["margin"] == made["texts"]["margin"]
    assert "identity" not in shown["saliency"]
    assert flat([]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made["texts"]["margin"].pop(), r"texts\.json: expected 10 values of margin, one a text, got 9"),
        (lambda made: made["saliency"]["words"].pop(), r"saliency\.json: expected 10 values of words.*only=saliency"),
        (lambda made: made["directions"].update(version=0), r"directions\.json: expected version 3, got 0"),
        (lambda made: made["texts"].pop("near"), r"texts\.json: expected \['near'\], found none"),
    ],
)
def test_artefacts_that_do_not_fit_are_refused_in_one_line(tmp_path, change, message):
    made = write_artefacts(tmp_path, 10)
    change(made)
    for name, values in made.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(values, allow_nan=False), encoding="utf-8")
    with pytest.raises(RunError, match=message) as error:
        build_atlas(tmp_path, tmp_path / "atlas.html")
    assert "\n" not in str(error.value)


def test_no_texts_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(RunError, match=r"expected texts\.json, found none.*vos atlas"):
        read_artefacts(tmp_path)
    write_artefacts(tmp_path, 4)
    (tmp_path / "flips.json").write_text('{"version": 3, "ind')
    with pytest.raises(RunError, match=r"flips\.json: expected a JSON object"):
        read_artefacts(tmp_path)


def test_sizes_are_held(tmp_path, monkeypatch):
    write_artefacts(tmp_path, 3000, n_outliers=600)
    artefacts = read_artefacts(tmp_path)
    content = page_bytes(artefacts, AtlasPageSettings())
    assert len(content) <= 4_000_000
    monkeypatch.setattr(build, "MAX_BYTES", len(content) - 1)
    with pytest.raises(
        DataError, match=r"expected a page of at most .* MB, got .* MB of 3,000 texts; set n_texts lower"
    ):
        page_bytes(artefacts, AtlasPageSettings())
    monkeypatch.setattr(build, "MAX_TEXTS", 2999)
    with pytest.raises(DataError, match=r"at most 2,999 texts in an atlas, got 3,000"):
        page_bytes(artefacts, AtlasPageSettings())


def test_the_limits_are_those_of_the_contract():
    assert (build.MAX_TEXTS, build.MAX_BYTES) == (20_000, 8_000_000)


def test_the_components_are_those_of_a_singular_value_decomposition():
    features = np.random.default_rng(0).normal(size=(40, 6)) * [5, 3, 1, 1, 1, 1]
    found = principal_components(features)
    left, singular, _ = np.linalg.svd(features - features.mean(0), full_matrices=False)
    for k, axis in enumerate("xy"):
        np.testing.assert_allclose(np.abs(found[axis]), np.abs(left[:, k] * singular[k]), atol=1e-9)
    np.testing.assert_allclose(found["shares"], singular[:2] ** 2 / (singular**2).sum())
    assert np.isfinite(principal_components(np.ones((3, 4)))["x"]).all()
