import pickle
import socket
import time

import datasets
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from huggingface_hub import constants

from vos.data import hub, load_hub
from vos.errors import DataError

FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["neutral", "hate"]), "id": Value("int64")})


def dataset(prefix="t", n=40, labels=(0, 1)):
    return Dataset.from_dict(
        {
            "text": [f"{prefix} {i}" for i in range(n)],
            "label": [labels[i % len(labels)] for i in range(n)],
            "id": list(range(n)),
        },
        features=FEATURES,
    )


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    was_on = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    yield
    if was_on:
        datasets.enable_progress_bars()


@pytest.fixture
def saved(tmp_path):
    splits = {"train": dataset(), "validation": dataset("v", 10), "unsupervised": dataset("u", 5, (-1,))}
    DatasetDict(splits).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def test_a_saved_dict_of_splits(saved):
    data = load_hub(saved, val_split="validation", pool_split="unsupervised", text="text")
    assert data.label_names == ("neutral", "hate")
    assert (len(data.train), len(data.val), len(data.test)) == (34, 10, 6)
    assert all(int(e.text.split()[1]) % 2 == e.label for e in data.train)
    assert data.pool.size == 5
    assert [(e.text, e.label) for e in data.pool] == [(e.text, e.label) for e in data.pool]
    assert [e.text for e in data.pool] == [f"u {i}" for i in range(5)]
    assert load_hub(saved, positive="neutral").label_names == ("hate", "neutral")


def test_label_maps_take_class_names(saved):
    data = load_hub(saved, label_map={"hate": "harmful", "neutral": "fine"}, positive="harmful", id="id")
    assert data.label_names == ("fine", "harmful")
    assert all(e.id == e.text.split()[1] and int(e.id) % 2 == e.label for e in data.train)


def test_hidden_labels_are_no_labels(saved):
    with pytest.raises(DataError) as caught:
        load_hub(saved, test_split="unsupervised")
    assert f"{saved}[unsupervised]:1: column 'label': found no label" in str(caught.value)


def test_one_saved_split(tmp_path):
    dataset().save_to_disk(tmp_path / "one")
    assert len(load_hub(tmp_path / "one").train) == 28


def test_a_folder_of_data_files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    dataset().to_json(folder / "train.jsonl")
    data = load_hub(folder)
    assert len(data.train) == 28
    assert data.label_names == ("0", "1")


def test_missing_columns_and_splits(saved):
    with pytest.raises(DataError) as caught:
        load_hub(saved, text="texts")
    assert "expected a column 'texts', found the columns ['text', 'label', 'id']" in str(caught.value)
    with pytest.raises(DataError, match="expected a split 'dev' for val, found the splits \\['train', 'unsupervised'"):
        load_hub(saved, val_split="dev")


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(DataError, match="expected a folder with a data set, found nothing there"):
        load_hub(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the datasets library cannot read it: "):
        load_hub(tmp_path / "empty")


def test_without_a_network_the_error_is_quick_and_clear(monkeypatch):
    def refuse(*_):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(hub.urllib.request, "getproxies", dict)
    monkeypatch.setattr(hub.socket, "create_connection", refuse)
    before = (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE)
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        load_hub("someone/some-data-that-is-not-cached")
    assert time.monotonic() - start < 2.0  # the library's own retries take 23 s
    assert "someone/some-data-that-is-not-cached: expected a local folder, or a data set of the Hugging Face" in str(
        caught.value
    )
    assert "the hub cannot be reached from here" in str(caught.value)
    assert before == (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE)


def test_with_a_network_the_library_is_asked(monkeypatch):
    asked = []

    def load_dataset(name, config_name):
        asked.append((name, config_name))
        return DatasetDict({"train": dataset()})

    monkeypatch.setattr(hub, "hub_is_reachable", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert len(load_hub("tweet_eval", config_name="hate").train) == 28
    assert asked == [("tweet_eval", "hate")]


def test_errors_of_the_library_without_a_message(monkeypatch):
    def load_dataset(*_):
        raise RuntimeError

    monkeypatch.setattr(hub, "hub_is_reachable", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError, match="cannot read it: RuntimeError"):
        load_hub("tweet_eval")


class TestReachable:
    @pytest.fixture(autouse=True)
    def online(self, monkeypatch):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub.urllib.request, "getproxies", dict)

    def test_a_listening_host_is(self, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as server:
            monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
            assert hub.hub_is_reachable()

    def test_a_closed_port_is_not(self, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        assert not hub.hub_is_reachable()

    def test_offline_mode_is_not(self, monkeypatch):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert not hub.hub_is_reachable()

    def test_a_proxy_is_trusted(self, monkeypatch):
        monkeypatch.setattr(hub.urllib.request, "getproxies", lambda: {"https": "http://proxy:1"})
        monkeypatch.setattr(hub.urllib.request, "proxy_bypass", lambda _: False)
        monkeypatch.setattr(constants, "ENDPOINT", "https://huggingface.co")
        assert hub.hub_is_reachable()


@pytest.mark.parametrize("kind", ["script", "pickle"])
def test_code_in_a_data_set_is_not_run(tmp_path, kind):
    evil, folder = tmp_path / "evil", tmp_path / "hostile"
    folder.mkdir()
    if kind == "script":  # datasets before 4.0 ran the file that is called like its folder
        (folder / "hostile.py").write_text(f"open({str(evil)!r}, 'w')\n")
        (folder / "train.csv").write_text("text,label\na,0\nb,1\n")
    else:

        class Payload:
            def __reduce__(self):
                return evil.touch, ()

        (folder / "train.pkl").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(DataError) as caught:
        load_hub(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert not evil.exists()


@pytest.mark.parametrize("name", ["../../x", "a/../../b", "/nowhere/at/all", "~/x", "a\0b", "x" * 5000, "a/b/c", ""])
def test_a_name_that_is_no_name_is_one_line_and_no_path(monkeypatch, tmp_path, name):
    monkeypatch.setattr(hub, "hub_is_reachable", lambda: False)
    (tmp_path / "here/there").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here/there")
    with pytest.raises(DataError) as caught:
        load_hub(name)
    assert len(str(caught.value).splitlines()) == 1
    assert [path.name for path in (tmp_path / "here").rglob("*")] == ["there"]
