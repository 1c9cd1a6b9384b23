"""Checks of a language model behind a server by the two programs, before any work."""

import pytest
from hydra.utils import instantiate

import synthesize
import train
from tests.cli.commands import failing
from tests.generation.stub_server import Stub
from vos.cli.compose import composed
from vos.cli.precision import with_dtype
from vos.cli.preflight import check_language_model, check_training
from vos.errors import ModelError, ServerError
from vos.models import precision


def server(url, model="tiny", *more):
    return ["language_model=server", f"language_model.url={url}", f"language_model.model={model}",
            "language_model.wait=0", "language_model.retries=1", *more]  # fmt: skip


@pytest.fixture
def stub():
    with Stub() as each:
        yield each


def checked(program, *overrides):
    place = "exposure.language_model" if program == "train" else "candidates.generation.language_model"
    check_language_model(composed(program, overrides), place)


def test_a_server_that_is_needed_is_asked_before_any_work(stub):
    checked("synthesize", "run=x", "candidates=lm", *server(stub.url))
    checked("train", "exposure=written", *server(stub.url))
    assert len(stub.asked) > 4


def test_a_server_that_nobody_needs_is_let_be(stub):
    checked("synthesize", "run=x", "candidates=pool", *server(stub.url))
    checked("train", "exposure=packaged", *server(stub.url))
    checked("synthesize", "run=x", "candidates=lm")
    assert stub.asked == []


def test_what_a_server_refuses_is_refused(stub):
    stub.same = True
    with pytest.raises(ServerError, match="it does not sample"):
        checked("synthesize", "run=x", "candidates=lm", *server(stub.url))
    with pytest.raises(ServerError, match="does not have the model 'other', it has 'tiny'"):
        checked("train", "exposure=written", *server(stub.url, "other"))


def test_a_run_that_goes_on_may_have_its_texts(stub, tmp_path):
    gone = server("http://127.0.0.1:9/v1")
    overrides = ["exposure=written", *gone, f"paths.cache={tmp_path}"]
    with pytest.raises(ServerError, match="cannot be reached"):
        check_training(composed("train", overrides))
    check_training(composed("train", [*overrides, "resume=somewhere"]))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (server("http://127.0.0.1:9/v1"), "http://127.0.0.1:9/v1: cannot be reached"),
        (server("127.0.0.1:8000"), "language_model.url: expected http://HOST:PORT/v1"),
        (["language_model=server"], "language_model.url: expected a value, found none"),
        (server("http://x/v1", "y", "language_model.timeout=soon"), "language_model.timeout: expected a number"),
        (server("http://x/v1", "y", "candidates.generation.text_generator.stages.smc=true"),
         "stages: expected smc=false and mcmc_chains=0 with language_model=server"),
        (["candidates.generation.language_model.name=x"], "this is called language_model.name now"),
    ],
    ids=["gone", "address", "none", "type", "smc", "old"],
)  # fmt: skip
def test_it_is_one_line_and_exit_code_2(monkeypatch, capsys, tmp_path, overrides, message):
    error = failing(synthesize.main, monkeypatch, capsys, f"run={tmp_path / 'run'}", "candidates=lm", *overrides)
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_a_key_in_the_settings_is_not_shown(monkeypatch, capsys, tmp_path):
    key = "sk-abcdefghijklmnop-0123456789"
    own = [f"hydra.run.dir={tmp_path / 'run'}", "exposure=written"]
    error = failing(
        train.main, monkeypatch, capsys, *own, *server("http://x/v1", "y", f"language_model.key_variable={key}")
    )
    assert "expected the name of an environment variable" in error
    assert key not in error
    assert not (tmp_path / "run").exists()


def test_the_dtype_of_a_batch_is_settled(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "_measured", lambda: 2.0)
    own = ["run=x", f"paths.cache={tmp_path}"]
    assert with_dtype(composed("synthesize", [*own, "candidates=lm"])).language_model.dtype == "bfloat16"
    assert with_dtype(composed("synthesize", own)).language_model.dtype == "auto"
    assert (
        with_dtype(composed("synthesize", [*own, "candidates=lm", *server("http://x/v1")])).language_model.model
        == "tiny"
    )


def test_a_larger_model_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("vos.generation.large.PACKAGE", "no_such_package_{number}")
    config = composed("synthesize", ["run=x", "candidates=lm", "language_model=local", f"paths.cache={tmp_path}"])
    with pytest.raises(ModelError, match="make generate-large"):
        instantiate(config.candidates).generation.language_model()
