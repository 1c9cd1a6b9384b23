"""API keys of the environment reach only the servers they are for, and never output or files."""

import base64
import json

import pytest
from omegaconf import OmegaConf

import synthesize
from tests.cli.commands import CANARIES, call, failing, synthesis
from tests.generation.stub_server import Stub
from tests.labeling.backends.studio import free_port
from vos.cli.checks import built
from vos.errors import ConfigError


def traces(content: bytes) -> list[str]:
    """Names of the keys that stand in it, as they are or in base64, whatever stands before them."""
    keys = {name: key.encode() for name, key in CANARIES.items()}
    coded = {name: [base64.b64encode(b" " * k + key)[4:-4] for k in range(3)] for name, key in keys.items()}
    return [name for name, key in keys.items() if key in content or any(each in content for each in coded[name])]


def leaks(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return len(files), {str(path.relative_to(folder)): found for path in files if (found := traces(path.read_bytes()))}


@pytest.fixture
def keys(monkeypatch):
    for name, key in CANARIES.items():
        monkeypatch.setenv(name, key)


def test_the_search_finds_what_it_looks_for():
    key = CANARIES["HF_TOKEN"].encode()
    assert traces(b"x" + key) == traces(base64.b64encode(b"user:" + key + b"!")) == ["HF_TOKEN"]


def test_a_training_writes_no_key(run):
    files, found = leaks(run.parent)
    assert files > 20
    assert list(run.glob("wandb/**/*.wandb"))
    assert found == {}


def test_a_batch_written_by_a_server_and_its_failures_hold_no_key(run, keys, monkeypatch, capsys, tmp_path):
    """A pool of strange ids, people of strange names, a server that wants a key and repeats it when it fails."""
    ids = ["../../x", "/etc/passwd", "a\0b", "x" * 5000, "C:\\x", "~/x", "<b>", "ünï"]
    rows = [
        {"id": f"{each}{i}", "text": f"on day {i} the ladder fell, said number {i}"} for i in range(5) for each in ids
    ]
    (tmp_path / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    monkeypatch.chdir(tmp_path)
    with Stub(key=CANARIES["MODEL_KEY"]) as stub:
        model = ["candidates=pool_then_lm", "language_model=server", f"language_model.url={stub.url}",
                 "language_model.model=tiny", "language_model.key_variable=MODEL_KEY", "language_model.wait=0",
                 "language_model.retries=0"]  # fmt: skip
        asked = [each for each in synthesis(run, "output=batch") if not each.startswith(("labeling", "paths.cache"))]
        own = [*asked, *model, "pool.path=pool.jsonl", "paths.cache=cache", "ledger=ledger.sqlite",
               "labeling.plan.annotators=['../Ann', 'Bob/..']"]  # fmt: skip
        call(synthesize.main, monkeypatch, *own)
        assert len(stub.asked) > 10
        assert {path.name for path in (tmp_path / "batch").glob("*.html")} == {"label-_ann.html", "label-bob_.html"}
        stub.troubles[:] = [500] * 99
        said = failing(synthesize.main, monkeypatch, capsys, *own, "output=other", "paths.cache=none")
        assert "status 500" in said
        stub.key = "another"
        said += failing(synthesize.main, monkeypatch, capsys, *own, "output=other", "paths.cache=none")
        assert "the key in MODEL_KEY was refused" in said
    for tool in ("label_studio", "argilla"):
        pytest.importorskip("label_studio_sdk" if tool == "label_studio" else tool)
        there = [f"labeling={tool}", f"labeling.url=http://127.0.0.1:{free_port()}", "output=sent"]
        said += failing(synthesize.main, monkeypatch, capsys, *asked, *there, "ledger=l.sqlite", "paths.cache=cache")
    assert traces(said.encode()) == []
    files, found = leaks(tmp_path)
    assert files > 8
    assert found == {}
    assert {path.name for path in tmp_path.iterdir()} <= {
        "pool.jsonl",
        "batch",
        "cache",
        "ledger.sqlite",
        "other",
        "none",
    }


@pytest.mark.parametrize("tool", ["LabelStudioBackend", "ArgillaBackend"])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"url": "https://me:CANARY@host"}, "url: expected no user and no password"),
        ({"url": "https://[CANARY@host"}, "url: expected no user and no password"),
        ({"token_variable": "CANARY"}, "token_variable: expected the name of an environment variable"),
        ({"token_variable": "a.CANARY-b"}, "token_variable: expected the name of an environment variable"),
    ],
)
def test_a_key_in_the_settings_is_refused_and_not_shown(tool, setting, message):
    key = CANARIES["LABEL_STUDIO_API_KEY"]
    own = {name: value.replace("CANARY", key) for name, value in setting.items()}
    with pytest.raises(ConfigError, match=message) as caught:
        built(OmegaConf.create({"_target_": f"vos.labeling.backends.{tool}", **own}))
    assert key not in str(caught.value)
