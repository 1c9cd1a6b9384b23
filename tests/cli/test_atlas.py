"""`vos-atlas`: what is refused before any work, and the files that it writes."""

import json
import shutil

import pytest

from tests.cli.commands import call, changed_by_hand, failing
from tests.generation.stub_server import Stub
from vos.cli.main import atlas
from vos.errors import ModelError
from vos.labeling import BoundaryRecord, Item, Label, Ledger, text_uid, write_jsonl
from vos.storage.json_files import read_json, write_json
from vos.storage.provenance import Provenance


def wanted(run, output, *more):
    """Overrides of an atlas of seconds."""
    return [f"run={run}", f"output={output}", "progress=false", "n_texts=60", "n_outliers=4", "outliers.distance=null",
            f"ledger={output / 'none.sqlite'}", f"paths.cache={run.parent / 'cache'}", *more]  # fmt: skip


def texts_of(output):
    return read_json(output / "atlas/texts.json")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["n_texts=20001"], "n_texts: expected 1 to 20,000 texts, which a page can hold, got 20001"),
        (["near_share=1"], "near_share: expected a share between 0 and 1, got 1"),
        (["n_units=-1"], "n_units: expected a number of units, or all, got -1"),
        (["n_units=most"], "n_units: expected a whole number or one of 'all', got 'most'"),
        (["n_outliers=0"], "n_outliers: expected at least 1, got 0"),
        (["views=[map,mop]"], "views: no view is called mop; expected some of map, "),
        (["only=flip"], "only=flip: no such producer; expected one of outliers, "),
        (["batch=nothing.jsonl"], "batch=nothing.jsonl: expected a near_boundary.jsonl, found no file there"),
        (["vews=[map]"], "vews: no such setting, did you mean views?"),
        (["device=abacus"], "device: expected cpu, or cuda where there is a GPU, got 'abacus'"),
        (["pool.path=nothing.csv"], "nothing.csv: expected a file, found nothing there"),
        (["tags=nothing.csv"], "nothing.csv: expected a file, found nothing there"),
        (["language_model=bundled"], "expected language_model=server language_model.url=... language_model.model=..."),
        (
            [
                "language_model=server",
                "language_model.url=http://127.0.0.1:9/v1",
                "language_model.model=m",
                "language_model.retries=0",
            ],
            "http://127.0.0.1:9/v1: cannot be reached",
        ),
    ],
)
def test_what_cannot_work_is_one_line(run, monkeypatch, capsys, tmp_path, overrides, message):
    monkeypatch.chdir(tmp_path)
    error = failing(atlas, monkeypatch, capsys, *wanted(run, tmp_path / "out", *overrides))
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not list(tmp_path.glob("out/*"))


def test_a_run_that_is_not_whole_or_of_version_0_1_is_refused(run, monkeypatch, capsys, tmp_path):
    error = failing(atlas, monkeypatch, capsys, *wanted(tmp_path / "none", tmp_path / "out"))
    assert "none: no such directory; expected a directory that a training wrote" in error
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    changed_by_hand(copy)
    manifest = read_json(copy / "manifest.json")
    for changed, message in (
        ({"status": "running"}, "the run is 'running', not finished; finish it with:"),
        ({"format_version": 1, "vos_version": "0.1.0"}, "expected run format 2, found 1 written by vos '0.1.0'"),
    ):
        write_json(copy / "manifest.json", {**manifest, **changed})
        error = failing(atlas, monkeypatch, capsys, *wanted(copy, tmp_path / "out"))
        assert message in error
        assert len(error.strip().splitlines()) == 1


def test_a_missing_package_is_refused_where_its_view_was_asked_for(run, monkeypatch, capsys, tmp_path):
    from vos.atlas import producers

    lacking = producers.Producer("outliers", "map", packages=("nothing_such",))
    monkeypatch.setattr("vos.cli.atlas.chosen_producers", lambda views, only: [lacking])
    error = failing(atlas, monkeypatch, capsys, *wanted(run, tmp_path / "out", "views=[map]"))
    assert "outliers needs the package nothing_such; pip install" in error
    call(atlas, monkeypatch, *wanted(run, tmp_path / "out"))
    assert "no outliers" in capsys.readouterr().out
    assert (tmp_path / "out/atlas.html").exists()


def test_the_texts_the_page_and_a_summary_are_there(run, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    call(atlas, monkeypatch, *wanted(run, tmp_path / "out", "views=[trust]"))
    told = capsys.readouterr().out
    found = texts_of(tmp_path / "out")
    assert (found["split"].count("validation"), found["split"].count("test")) == (16, 16)
    assert len(found["text"]) == 60
    assert found["run"]["harmful"] == [found["run"]["classes"].index("yes")]
    assert "Boundary atlas" in told
    assert "atlas.html: out/atlas.html" in told.splitlines()
    assert "The page shows 60 texts" in told
    assert told.rstrip().endswith("next: open out/atlas.html in a browser, after you have labelled the batch")
    trust = read_json(tmp_path / "out/atlas/trust.json")
    assert trust["versions"]["vos"]
    assert trust["settings"]["n_texts"] == 60
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    call(atlas, monkeypatch, *wanted(run, tmp_path / "out", "views=[trust]"))
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}


def test_a_seed_and_a_pool_of_its_own_choose_other_texts(run, monkeypatch, capsys, tmp_path):
    pool = tmp_path / "pool.csv"
    pool.write_text("comment\n" + "".join(f"a text of its own with number {i}\n" for i in range(30)))
    more = {"own": [f"pool.path={pool}", "pool.text=comment"], "seed": ["seed=1"], "run": []}
    found = {}
    for name, overrides in more.items():
        call(atlas, monkeypatch, *wanted(run, tmp_path / name, "views=[trust]", *overrides))
        texts = texts_of(tmp_path / name)
        found[name] = {t for t, split in zip(texts["text"], texts["split"], strict=True) if split == "pool"}
    assert all(text.startswith("a text of its own") for text in found["own"])
    assert found["seed"] != found["run"]


def test_columns_of_a_table_are_tags(run, monkeypatch, tmp_path):
    call(atlas, monkeypatch, *wanted(run, tmp_path / "first", "views=[trust]"))
    texts = texts_of(tmp_path / "first")["text"]
    tags = tmp_path / "tags.csv"
    tags.write_text("text,tone\n" + "\n".join(f'"{text}",{("calm", "loud")[i % 2]}' for i, text in enumerate(texts)))
    call(atlas, monkeypatch, *wanted(run, tmp_path / "out", "views=[trust]", f"tags={tags}"))
    found = texts_of(tmp_path / "out")
    assert found["text"] == texts
    assert found["columns"]["tone"] == [("calm", "loud")[i % 2] for i in range(len(texts))]


def test_a_run_without_a_pool_says_so(run, monkeypatch, capsys, tmp_path):
    trained = run.parent / "train.csv"  # a training text is never shown
    overrides = ["views=[trust]", f"pool.path={trained}", "pool.text=comment"]
    call(atlas, monkeypatch, *wanted(run, tmp_path / "out", *overrides))
    assert "no pool: the atlas shows held-out texts alone; pool.path=FILE names one" in capsys.readouterr().out
    assert "pool" not in texts_of(tmp_path / "out")["split"]


def test_outliers_drawn_otherwise_are_made_again_with_what_reads_them(run, monkeypatch, tmp_path):
    found = []
    for margin in (0.0, 1.5, 1.5):
        more = ["views=[map,differences]", f"outliers.margin={margin}"]
        call(atlas, monkeypatch, *wanted(run, tmp_path / "out", *more))
        found.append([read_json(tmp_path / f"out/atlas/{name}.json") for name in ("outliers", "differences", "trust")])
    (first, first_reads, _), (second, second_reads, told), (third, _, _) = found
    assert first["margin"] != second["margin"]
    assert first_reads["identity"]["needs"] != second_reads["identity"]["needs"]
    assert told["settings"]["outliers"]["margin"] == 1.5
    assert third == second


def test_language_models_are_kept_in_the_cache_that_was_named(run, monkeypatch, tmp_path):
    loaded = []

    def load(**options):
        loaded.append(options)
        raise ModelError("enough")

    monkeypatch.setattr("vos.atlas.produce_dreams.LanguageModel.load", load)
    monkeypatch.setattr("vos.cli.atlas.check_dreams", lambda settings: None)
    call(atlas, monkeypatch, *wanted(run, tmp_path / "out", "only=dreams", "dreams=true"))
    assert loaded == [{"cache": run.parent / "cache/models", "device": "cpu"}]


def test_the_batch_and_the_answers_of_people_are_shown(run, monkeypatch, tmp_path):
    texts = [f"a text of the batch, number {i}" for i in range(3)]
    batch = tmp_path / "near_boundary.jsonl"
    write_jsonl(batch, [BoundaryRecord(text_uid(text), f"b{i}", text) for i, text in enumerate(texts)])
    ledger = tmp_path / "ledger.sqlite"
    with Ledger(ledger) as book:
        items = [Item(texts[0], {}), Item("a text that only the ledger knows", {}), Item("of another project", {})]
        written, old = "a text that a model wrote for an earlier batch", Provenance("lm", language_model="m")
        items.append(BoundaryRecord(text_uid(written), "m1", written, provenance=old))
        book.propose(items)
        for item, answer in zip(items, ("yes", "no", "purple", "no"), strict=True):
            book.record_label(Label(item.uid, "ann", answer))
    overrides = [f"batch={batch}", f"ledger={ledger}", "views=[trust]"]
    call(atlas, monkeypatch, *wanted(run, tmp_path / "out", *overrides))
    found = texts_of(tmp_path / "out")
    shown = {text: i for i, text in enumerate(found["text"])}
    names = found["run"]["classes"]
    assert [found["batch"][shown[text]] for text in texts] == [True] * 3
    assert sum(found["batch"]) == 3
    assert found["answer"][shown[texts[0]]] == names.index("yes")
    assert found["answer"][shown["a text that only the ledger knows"]] == names.index("no")
    assert "of another project" not in shown
    assert sum(answer is not None for answer in found["answer"]) == 3
    assert [text for text, split in zip(found["text"], found["split"], strict=True) if split == "made"] == [written]


def test_texts_of_a_batch_beyond_the_limit_are_counted(run, monkeypatch, capfd, tmp_path):
    batch = tmp_path / "near_boundary.jsonl"
    texts = [f"a text of the batch, number {i}" for i in range(70)]
    write_jsonl(batch, [BoundaryRecord(text_uid(text), f"b{i}", text) for i, text in enumerate(texts)])
    call(atlas, monkeypatch, *wanted(run, tmp_path / "out", f"batch={batch}", "views=[trust]"))
    assert "n_texts=60: 10 of the 70 texts of batch and ledger are left out" in "".join(capfd.readouterr())
    assert sum(texts_of(tmp_path / "out")["batch"]) == 60


def test_a_model_behind_a_server_says_differences(run, monkeypatch, tmp_path):
    with Stub() as stub:
        more = ["views=[differences]", "language_model=server", f"language_model.url={stub.url}",
                f"language_model.model={stub.model}", "language_model.wait=0"]  # fmt: skip
        call(atlas, monkeypatch, *wanted(run, tmp_path / "out", *more))
    told = read_json(tmp_path / "out/atlas/trust.json")["settings"]["describer"]
    assert len(told) == 16
    made = (tmp_path / "out/atlas/differences.json").stat().st_mtime_ns
    call(atlas, monkeypatch, *wanted(run, tmp_path / "out", "views=[differences]"))
    assert read_json(tmp_path / "out/atlas/trust.json")["settings"]["describer"] == ""
    assert (tmp_path / "out/atlas/differences.json").stat().st_mtime_ns > made


def test_a_fault_of_a_producer_ends_with_code_1_and_a_page(run, monkeypatch, capsys, tmp_path):
    import sys
    import types

    def produce(world, settings):
        raise ZeroDivisionError("oh")

    module = types.SimpleNamespace(produce=produce, __spec__=object())
    monkeypatch.setitem(sys.modules, "vos.atlas.produce_outliers", module)
    with pytest.raises(SystemExit) as caught:
        call(atlas, monkeypatch, *wanted(run, tmp_path / "out", "only=outliers"))
    assert caught.value.code == 1
    assert (tmp_path / "out/atlas.html").exists()
    assert json.loads((tmp_path / "out/atlas/trust.json").read_text())["dropped"].keys() == {"outliers"}
