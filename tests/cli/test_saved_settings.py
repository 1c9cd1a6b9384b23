"""Run files may be untrusted: their settings cannot run code or read other files."""

import shutil

import pytest
import yaml
from omegaconf import OmegaConf

import synthesize
import train
from tests.cli.commands import call, failing, synthesis
from vos.cli.saved_settings import _targets, check_addresses, plain_overrides, saved_overrides, saved_settings
from vos.errors import ConfigError


@pytest.fixture
def saved(tmp_path):
    """Writes a file of YAML."""

    def write(content, name="config.yaml"):
        (tmp_path / name).write_text(content, "utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def foreign(run, tmp_path):
    """A copy of a finished run, whose files a test may change."""
    return shutil.copytree(run, tmp_path / "foreign", ignore=shutil.ignore_patterns("wandb", "steps", ".lock"))


WRITES = "{_target_: vos.storage.atomic.write_atomically, path: {_target_: pathlib.Path, _args_: [%s]}, content: ran}"
"""Settings that would write a file, with a function of this package."""

CODE = (
    "os.system",
    "builtins.eval",
    "vos.storage.atomic.write_atomically",
    "vos.storage.environment.subprocess.run",
    "vos.cli.failures.discard_start",
    "vos.outliers",
    "vos.outliers.BoundarySampler.__init__.__globals__",
    "pytorch_lightning.callbacks.LambdaCallback",
    "${model.name}",
    "",
)


@pytest.mark.parametrize("target", CODE)
def test_a_target_that_the_configuration_does_not_name_is_refused(saved, target):
    for content in (f"data:\n  _target_: {target!r}", f"a:\n- b:\n    c: [{{_target_: {target!r}}}]"):
        with pytest.raises(ConfigError) as caught:
            saved_settings(saved(content))
        (line,) = str(caught.value).splitlines()
        assert "config.yaml: " in line
        assert f"_target_={target}: expected a class that the configuration of this package names" in line
        assert "export VOS_ALLOW=" in line


@pytest.mark.parametrize(
    "value",
    ["${oc.env:HOME}", "a ${ oc.env:HOME,x} b", "${oc.decode:'{_target_: os.system}'}", "${oc.create:{a: 1}}",
     "${oc.select:none,{_target_: os.system}}", "${hydra:runtime.cwd}", "${oc.${a}:HOME}", "${a.${b}}", "${"],
)  # fmt: skip
def test_an_interpolation_that_is_more_than_a_reference_is_refused(saved, value):
    for read, content in ((saved_settings, {"a": 1, "b": [value]}), (saved_overrides, [f'data.train="{value}"'])):
        with pytest.raises(ConfigError, match=r"expected (values, or references to them|settings in YAML)"):
            read(saved(yaml.safe_dump(content)))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model._target_=os.system", "model._target_=os.system: expected a class"),
        ("+x.y={_target_: os.system, command: ls}", "x.y._target_=os.system: expected a class"),
        ("++x=[{a: {_target_: os.system}}]", "x.0.a._target_=os.system: expected a class"),
        ("x=choice(1,{_target_:os.system})", "expected one value"),
        ("data=../../../../tmp/evil", "expected the name of an option"),
        ("experiment=[smoke,/tmp/evil]", "expected the name of an option"),
        ("++hydra.searchpath=[/tmp]", "found one of Hydra's own"),
        ("hydra/launcher=joblib", "found one of Hydra's own"),
        ("a[0]=1", "expected overrides"),
    ],
)
def test_an_override_of_a_run_reaches_no_further(saved, override, message):
    with pytest.raises(ConfigError) as caught:
        saved_overrides(saved(OmegaConf.to_yaml(["seed=1", override]), "overrides.yaml"))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_a_training_writes_itself_is_read(run, saved):
    assert saved_settings(run / "config.yaml").data._target_ == "vos.data.FileData"
    own = ["seed=1", "~labels", "outliers=tail", "logger.wandb.name=seed-${seed}", "data.positive=[a,b]", "run=../x"]
    path = saved(OmegaConf.to_yaml(own), "overrides.yaml")
    assert saved_overrides(path) == plain_overrides(path) == own
    assert 50 < len(_targets()) < 100


def test_a_person_can_allow_more(saved, monkeypatch):
    path = saved("{a: {_target_: mine.Sampler}, b: '${oc.env:HOME}/x'}")
    for allowed in ("mine", "oc.env", "mine.Sample,oc.env", ""):
        monkeypatch.setenv("VOS_ALLOW", allowed)
        with pytest.raises(ConfigError):
            saved_settings(path)
    for allowed in ("mine,oc.env", " oc.env , mine.Sampler"):
        monkeypatch.setenv("VOS_ALLOW", allowed)
        assert saved_settings(path).a._target_ == "mine.Sampler"


@pytest.mark.parametrize(
    "content", ["!!python/object/apply:os.system [ls]", "a: [", "- 1", "\x00", "a: !!python/name:os.system"]
)
def test_yaml_runs_nothing(saved, content):
    with pytest.raises(ConfigError, match=r"config\.yaml: expected settings"):
        saved_settings(saved(content))


def test_a_key_goes_to_no_server_that_a_file_names(saved, monkeypatch):
    path = saved("")
    config = OmegaConf.create(
        {"labels": {"url": "https://evil.test", "token_variable": "SOME_TOKEN"}, "b": {"url": "x"}}
    )
    check_addresses(path, config, [])
    monkeypatch.setenv("SOME_TOKEN", "canary")
    with pytest.raises(ConfigError, match="the key in SOME_TOKEN would be sent to this server") as caught:
        check_addresses(path, config, ["labels=label_studio"])
    assert "canary" not in str(caught.value)
    for given in ("labels.url=https://evil.test", "labels.url='https://evil.test'"):  # the user names it
        check_addresses(path, config, [given])
    with pytest.raises(ConfigError, match="would be sent"):  # and not one that only begins alike
        check_addresses(path, config, ["labels.url=https://evil.test.org", "data.train=a-https://evil.test"])
    monkeypatch.setenv("VOS_ALLOW", "evil.test")
    check_addresses(path, config, None)
    monkeypatch.delenv("VOS_ALLOW")
    config.labels.url = "http://localhost:8080"
    check_addresses(path, config, None)
    config.labels.url = "http://[localhost"
    with pytest.raises(ConfigError, match="would be sent"):
        check_addresses(path, config, None)


def test_no_command_runs_what_a_foreign_run_names(foreign, monkeypatch, capsys, tmp_path):
    target = tmp_path / "written"
    config = OmegaConf.load(foreign / "config.yaml")
    overrides = (foreign / "overrides.yaml").read_text("utf-8")
    code = WRITES % target
    out = f"output={tmp_path / 'batch'}"
    call(synthesize.main, monkeypatch, *synthesis(foreign, out))  # as it is, the copy is a run like any other
    capsys.readouterr()

    (foreign / "overrides.yaml").write_text(overrides + f"- '+mine={code}'\n", "utf-8")
    for own in ([f"run={foreign}", f"hydra.run.dir={tmp_path / 'next'}"], [f"resume={foreign}"]):
        assert "_target_=" in failing(train.main, monkeypatch, capsys, *own)

    config.data = OmegaConf.create(code)
    OmegaConf.save(config, foreign / "config.yaml")
    command = synthesis(foreign, f"output={tmp_path / 'other'}")
    assert "config.yaml: data._target_=vos.storage.atomic" in failing(synthesize.main, monkeypatch, capsys, *command)

    beside = tmp_path / "batch/synthesis.yaml"
    settings = OmegaConf.load(beside)
    settings.outliers = OmegaConf.create(code)
    OmegaConf.save(settings, beside)
    error = failing(synthesize.main, monkeypatch, capsys, f"verify={tmp_path / 'batch/near_boundary.jsonl'}")
    assert "synthesis.yaml: outliers._target_=vos.storage.atomic" in error
    assert not target.exists()
    assert len(error.strip().splitlines()) == 1
