"""A text classifier that can be computed by hand, a Markov language model, and a tiny transformer."""

from __future__ import annotations

import re

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.conftest import HARMFUL, HARMLESS
from tests.toy_language import WordLanguage
from vos.density import ClassConditionalGaussian
from vos.generation.generate import real_texts
from vos.generation.language_model import LanguageModel
from vos.generation.particles import Sampling
from vos.generation.prompts import PromptSettings
from vos.generation.rules import TextRules
from vos.generation.settings import Stages, TextGeneratorSettings
from vos.generation.smc import SMCSettings
from vos.generation.text_generator import TextGenerator
from vos.mining.targets import Potential, TargetSpace
from vos.types import Example, FeatureBatch, LinearHead, VirtualOutliers

__all__ = [
    "byte_tokenizer",
    "density",
    "featurizer",
    "pool",
    "space",
    "targets",
    "text_generator",
    "tiny_lm",
    "tiny_lm_folder",
]

D = 6


class WordFeaturizer:
    """Features are the mean of fixed random vectors of the words, so every text has features of its own."""

    head = LinearHead(torch.tensor([[0.0] * D, [2.0, -1.0, 0.5, 0.0, 0.0, 1.0]]), torch.tensor([0.0, 0.1]))
    model_hash = "words"

    def __init__(self) -> None:
        self.calls = 0

    def featurize(self, texts):
        self.calls += len(texts)
        features = torch.stack([self._features(text) for text in texts]) if texts else torch.empty(0, D)
        return FeatureBatch(features, self.head.logits(features))

    def stream(self, examples, chunk_size):
        part = []
        for example in examples:
            part.append(example)
            if len(part) == chunk_size:
                yield part, self.featurize([e.text for e in part])
                part = []
        if part:
            yield part, self.featurize([e.text for e in part])

    @staticmethod
    def _features(text):
        words = re.findall(r"\w+", text.lower()) or [""]
        rows = []
        for word in words:
            seed = sum(ord(c) * 31**i for i, c in enumerate(word)) % (2**31)
            rows.append(torch.randn(D, generator=torch.Generator().manual_seed(seed)))
        return torch.stack(rows).mean(0)


@pytest.fixture
def featurizer():
    return WordFeaturizer()


def texts_of(n, seed=0, words=40, length=6):
    """`n` different texts of made-up words."""
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randint(words, (n, length), generator=draw).tolist()
    return [" ".join(f"w{word}" for word in row) + f" n{seed}x{i}" for i, row in enumerate(rows)]


@pytest.fixture
def pool():
    return [Example(f"p{i:03d}", text) for i, text in enumerate(texts_of(150))]


@pytest.fixture
def density(featurizer):
    features = featurizer.featurize(texts_of(200, seed=1)).features
    labels = (features @ featurizer.head.weight[1] > 0).long()
    return ClassConditionalGaussian(2, D, "empirical").fit(features, labels)


@pytest.fixture
def space(featurizer, density):
    return TargetSpace.fit(featurizer.featurize(texts_of(200, seed=1)).features, density, featurizer.head, (1,), 3)


@pytest.fixture
def targets(space, featurizer, density):
    features = featurizer.featurize(texts_of(7, seed=2)).features
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 0])
    mahalanobis = density.mahalanobis(features)[torch.arange(7), labels]
    return space.targets(VirtualOutliers(features, labels, mahalanobis))


SETTINGS = TextGeneratorSettings(
    max_start=None,
    sampling=Sampling(max_tokens=12, top_p=1.0),
    rules=TextRules(max_similarity=0.9),
    prompts=PromptSettings(prompts=2),
    smc=SMCSettings(particles=8, chunk=4, min_prefix=2),
    stages=Stages(
        per_target=3, max_distance=0.9, tokens=1500, pilot=12, rounds=0, mcmc_chains=6, mcmc_moves=4, smc=True
    ),
)


@pytest.fixture
def text_generator(featurizer, density, space):
    examples = [Example(f"r{i}", f"{text}.", i % 2) for i, text in enumerate(texts_of(60, seed=5))]
    real = real_texts(examples, featurizer, space)
    return TextGenerator(WordLanguage(), featurizer, density, space, real, Potential(delta=1.5), SETTINGS, 7)


@pytest.fixture(scope="session")
def byte_tokenizer():
    """A case-keeping tokenizer with a newline token, trained on the toy texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<end>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator([f"- {text}.\n" for text in (*HARMFUL, *HARMLESS)], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")  # noqa: S106 - no password


def tiny_llama(vocab_size, **options):
    settings = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.4,  # large, so that the next-token law depends on the context
    }
    return LlamaConfig(vocab_size=vocab_size, **(settings | options))


@pytest.fixture(scope="session")
def tiny_lm_folder(tmp_path_factory, byte_tokenizer):
    folder = tmp_path_factory.mktemp("lm") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(tiny_llama(len(byte_tokenizer))).save_pretrained(folder)
    byte_tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_lm(tiny_lm_folder):
    return LanguageModel.load(tiny_lm_folder, dtype="float32")
