"""Every flipped bit and every truncation of a sealed file is detected, or has no effect."""

import json

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from vos.errors import RunError
from vos.storage.json_files import read_json, write_json
from vos.storage.sealed import SEAL, check_sealed, save_sealed, sealed, unsealed

VALUES = {"a": 0.1, "b": [1, None, float("nan")], "é": "two\u2028words", "c": {"d": -0.0}}


def flips(content, step=1):
    """The content with one bit that is another, for every `step`-th bit."""
    for place in range(0, 8 * len(content), step):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        yield bytes(changed)


def test_json_comes_back_as_it_was_and_every_flipped_bit_is_found(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, sealed(VALUES))
    expected = json.loads(path.read_text("utf-8"))
    del expected[SEAL]
    assert unsealed(read_json(path), path) == expected
    content = path.read_bytes()
    wrong = 0
    for changed in flips(content):
        path.write_bytes(changed)
        try:
            found = unsealed(read_json(path), path)
        except (RunError, UnicodeError):
            continue
        wrong += {key: value for key, value in found.items() if key in expected} != expected
    assert wrong == 0


@pytest.mark.parametrize("within", [False, True])
def test_of_safetensors_every_flipped_bit_and_every_cut_is_found(tmp_path, within):
    path, content = tmp_path / "a.safetensors", {"x": torch.arange(6.0), "y": torch.ones(2, 3)}

    def save(metadata):
        save_file(
            content, path, {"about": json.dumps({"kind": "a", **metadata}, allow_nan=False)} if within else metadata
        )

    save_sealed(path, save)
    check_sealed(path)
    whole = path.read_bytes()
    wrong = 0
    for changed in (*flips(whole), *(whole[:n] for n in range(len(whole)))):
        path.write_bytes(changed)
        try:
            check_sealed(path)
            found = load_file(path)
        except (RunError, SafetensorError):
            continue
        wrong += {*found} != {"x", "y"} or not all(torch.equal(found[name], content[name]) for name in content)
    assert wrong == 0


def test_the_same_content_gives_the_same_file(tmp_path):
    for name in "ab":
        save_sealed(tmp_path / name, lambda seal, name=name: save_file({"x": torch.ones(3)}, tmp_path / name, seal))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_of_an_older_version_is_taken_as_it_is(tmp_path):
    save_file({"x": torch.ones(3)}, tmp_path / "a.safetensors")
    check_sealed(tmp_path / "a.safetensors")
    assert unsealed({"a": 1}, tmp_path) == {"a": 1}


def test_a_missing_file_is_named_in_one_line(tmp_path):
    with pytest.raises(RunError, match=r"none\.safetensors: expected a file as this package wrote it") as caught:
        check_sealed(tmp_path / "none.safetensors")
    assert len(str(caught.value).splitlines()) == 1
