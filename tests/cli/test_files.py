"""Files through the two commands: pools with every option, replaced batches, groups, folders of answers."""

import json

import pytest

import synthesize
import train
from tests.cli.commands import call, failing, synthesis
from vos.labeling import Label, Ledger, read_jsonl, write_labels

BATCH_FILES = ("near_boundary.jsonl", "near_boundary.csv", "synthesis.json", "synthesis.yaml")


@pytest.fixture
def pool(tmp_path):
    """A pool of 30 texts of two lines, as a data frame writes it, with one empty text."""
    texts = [f'"on day {i}\nthey sat ""quietly"" at number {i * 7}"\tauthor {i // 2}' for i in range(30)]
    path = tmp_path / "pool.tsv"
    path.write_text("comment\twho\n" + "\n".join([*texts[:20], '" "\tx', *texts[20:]]) + "\n")
    return path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_pool_takes_the_options_of_a_data_file(run, monkeypatch, tmp_path, pool, capsys):
    out = tmp_path / "out"
    options = synthesis(run, f"output={out}", f"pool.path={pool}", "pool.text=comment", "pool.group=who")
    error = failing(synthesize.main, monkeypatch, capsys, *options)
    assert f"1 bad row: {pool}:42: column 'comment': found white space only" in error
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()
    call(synthesize.main, monkeypatch, *options, "pool.on_bad_row=skip")
    records = read_jsonl(out / "near_boundary.jsonl")
    assert json.loads((out / "synthesis.json").read_text())["pool_scored"] == 30
    assert all('\nthey sat "quietly"' in record.text for record in records)
    assert all(record.group == f"author {int(record.text.split()[2]) // 2}" for record in records)
    call(synthesize.main, monkeypatch, *options, "pool.quoted=false", "pool.on_bad_row=skip", "overwrite=true")
    assert json.loads((out / "synthesis.json").read_text())["pool_scored"] < 60


def test_the_old_batch_stands_until_the_new_one_is_whole(run, monkeypatch, tmp_path, pool, capsys):
    out = tmp_path / "out"
    call(synthesize.main, monkeypatch, *synthesis(run, f"output={out}"))
    (out / "made.jsonl").write_text("of the old batch")
    before = contents(out)
    assert set(BATCH_FILES) <= before.keys()
    more = [f"output={out}", "overwrite=true"]
    bad_pool = [f"pool.path={pool}", "pool.text=comment"]
    failing(synthesize.main, monkeypatch, capsys, *synthesis(run, *more, *bad_pool))
    assert contents(out) == before
    error = failing(synthesize.main, monkeypatch, capsys,
                    *synthesis(run, *more), "candidates.selection.max_margin=0",
                    "candidates.selection.random_share=0")  # fmt: skip
    assert "no text passed the selection" in error
    assert contents(out) == before
    # Left by a replacement that was stopped after its last file, and by one that wrote texts.
    (out / "unfinished/moving.json").write_text(json.dumps([*BATCH_FILES, "made.jsonl"], allow_nan=False))
    for name in ("made.jsonl", "writing_targets.safetensors"):
        (out / "unfinished" / name).write_text("of neither batch")
    call(synthesize.main, monkeypatch, *synthesis(run, *more, *bad_pool, "pool.on_bad_row=skip"))
    after = contents(out)
    assert after.keys() == before.keys() - {"made.jsonl"}
    assert all(after[name] != before[name] for name in BATCH_FILES)
    assert not (out / "unfinished").exists()


def test_answers_about_a_group_of_test_texts_do_not_train(workplace, run, monkeypatch, tmp_path, capsys):
    """A pool text keeps its group through batch, ledger and labels; one of a test author stays out."""
    folder, overrides = workplace
    test = tmp_path / "test.csv"
    rows = (folder / "test.csv").read_text().splitlines()
    test.write_text("\n".join([f"{rows[0]},who", *(f"{row},t{i}" for i, row in enumerate(rows[1:]))]))
    own = [each for each in overrides if not each.startswith(("data.test", "data.train", "data.val", "data.ood",
                                                              "data.pool"))]  # fmt: skip
    for name in ("train", "val"):
        rows = (folder / f"{name}.csv").read_text().splitlines()
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join([f"{rows[0]},who", *(f"{row},{name}{i}" for i, row in enumerate(rows[1:]))]))
        own.append(f"data.{name}={path}")
    own += [f"data.test={test}", "data.group=who", f"ledger={tmp_path / 'ledger.sqlite'}", "refine.rounds=0"]
    pool = tmp_path / "pool.csv"
    pool.write_text("comment,who\n" + "".join(f"on day {i} they sat,{'t1' if i % 2 else 'new'}\n" for i in range(40)))
    batch = synthesis(run, f"output={tmp_path / 'out'}", f"pool.path={pool}", "pool.text=comment", "pool.group=who",
                      f"ledger={tmp_path / 'ledger.sqlite'}")  # fmt: skip
    call(synthesize.main, monkeypatch, *[each for each in batch if each != "labeling=none"], "labeling=files")
    records = read_jsonl(tmp_path / "out/near_boundary.jsonl")
    held_out = [record for record in records if record.group == "t1"]
    assert 0 < len(held_out) < len(records)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert {record.group for record in ledger.records([r.uid for r in records]).values()} == {"t1", "new"}
    write_labels(tmp_path / "answers/a.csv", [Label(record.uid, "ann", "yes") for record in records])
    capsys.readouterr()
    call(train.main, monkeypatch, *own, "labels=files", f"labels.path={tmp_path / 'answers'}",
         f"hydra.run.dir={tmp_path / 'next'}")  # fmt: skip
    said = f"{len(held_out)} labelled texts are validation or test texts, or of a group of theirs"
    assert said in capsys.readouterr().out
    kept = [json.loads(line) for line in (tmp_path / "next/train.jsonl").read_text().splitlines()]
    added = {row["text"]: row["group"] for row in kept if row["id"].startswith("label:")}
    assert added == {record.text: "new" for record in records if record.group == "new"}


def test_a_leak_between_files_ends_a_run_before_it_begins(workplace, monkeypatch, tmp_path, capsys):
    folder, overrides = workplace
    for name in ("train", "val", "test", "pool", "ood"):
        rows = (folder / f"{name}.csv").read_text().splitlines()
        (tmp_path / f"{name}.csv").write_text("\n".join([f"{rows[0]},who", *(f"{row},ann" for row in rows[1:])]))
    files = [f"data.{name}={tmp_path / name}.csv" for name in ("train", "val", "test", "pool", "ood")]
    error = failing(train.main, monkeypatch, capsys, *overrides, *files, "data.group=who",
                    f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert "16 of the 16 val texts" in error
    assert "40 of the 40 train texts" in error
    assert "on_leak=drop" in error
    assert not (tmp_path / "run/model").exists()
