import json

import pytest

from vos.errors import RunError
from vos.storage.environment import environment, git_commit
from vos.storage.run_directory import RunDirectory

FACTS = {"data_fingerprint": "d1", "seed": 0}


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.start("a: 1\n", FACTS)
    return run


def finish(run):
    run.model.mkdir()
    for path in (run.model / "vos.json", run.density, run.metrics_path):
        path.write_text("{}")
    run.finish(2.0, {"model_hash": "m"})


def test_a_finished_run_opens_with_its_manifest(run):
    finish(run)
    manifest = RunDirectory(run.path).open_finished()
    assert manifest["status"] == "finished"
    assert manifest["seed"] == 0
    assert manifest["wall_seconds"] == 2.0
    assert manifest["peak_memory_mib"] > 10
    assert run.is_finished


def test_wall_time_adds_up_over_attempts(run):
    run.finish(2.0, {})
    run.finish(3.0, {})
    assert run.manifest["wall_seconds"] == 5.0


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match=r"run=.*/no: no such directory; expected a directory that a training wrote"):
        RunDirectory(tmp_path / "no").open_finished()


def test_a_directory_that_is_no_run(tmp_path):
    with pytest.raises(RunError, match=r"no manifest\.json here"):
        RunDirectory(tmp_path).open_finished()


def test_an_interrupted_run_says_how_to_finish_it(run):
    assert not run.is_finished
    with pytest.raises(RunError, match=r"is 'running', not finished; .*train resume="):
        run.open_finished()


def test_a_run_of_version_0_1_is_refused_in_one_line_that_says_what_to_do(run):
    finish(run)
    values = run.manifest | {"format_version": 1, "vos_version": "0.1.0"}
    run.manifest_path.write_text(json.dumps(values))
    message = r"^run=.*/run: expected run format 2, found 1 written by vos '0\.1\.0'; use that version, or train again$"
    with pytest.raises(RunError, match=message):
        run.open_finished()
    with pytest.raises(RunError, match=message):
        run.start("a: 1\n", FACTS)
    assert not run.is_finished


def test_a_half_written_manifest(run):
    run.manifest_path.write_text(run.manifest_path.read_text()[:20])
    with pytest.raises(RunError, match="missing or half-written"):
        run.open_finished()


def test_missing_files_are_named(run):
    run.finish(1.0, {})
    with pytest.raises(RunError, match=r"lacks \['model/vos\.json', 'density\.safetensors', 'metrics\.json'\]"):
        run.open_finished()


def test_the_same_run_may_be_taken_up_again(run):
    run.start("a: 1\n", FACTS)
    assert run.manifest["status"] == "running"


@pytest.mark.parametrize(
    ("config", "facts", "named"),
    [("a: 2\n", {}, "config_hash"), ("a: 1\n", {"data_fingerprint": "d2"}, "data_fingerprint")],
)
def test_other_settings_or_data_are_refused(run, config, facts, named):
    with pytest.raises(RunError, match=f"holds a run whose {named} is"):
        run.start(config, FACTS | facts)


def test_the_manifest_names_code_and_machine():
    facts = environment("cpu")
    assert facts["packages"]["torch"].startswith("2.")
    assert facts["device"] == "cpu"
    assert facts["git_commit"] == git_commit()


def test_a_finished_run_knows_its_files(run):
    finish(run)
    run.check_files()
    for path in (run.metrics_path, run.model / "vos.json", run.config_path):
        before = path.read_bytes()
        path.write_bytes(before[:-1] + b"?")
        with pytest.raises(RunError, match=f"{path.name}: expected the file that the run wrote, found another"):
            run.check_files()
        path.write_bytes(before)
    run.density.unlink()
    with pytest.raises(RunError, match="found none"):
        run.check_files()


def test_a_changed_manifest_is_found_unless_its_seal_was_taken_out(run):
    finish(run)
    text = run.manifest_path.read_text()
    changed = text.replace('"finished"', '"finishes"')
    assert changed != text
    run.manifest_path.write_text(changed)
    with pytest.raises(RunError, match=r"manifest\.json: expected a file as this package wrote it"):
        run.open_finished()
    values = {key: value for key, value in json.loads(changed).items() if key != "seal"}
    run.manifest_path.write_text(json.dumps(values))
    assert run.manifest["status"] == "finishes"
