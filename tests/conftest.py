"""Fixtures shared by all tests: a generator, tiny models built from configurations, toy texts."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import hypothesis
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel
from transformers.utils import logging as transformers_logging

from vos.models.encoder import model_location
from vos.types import Example

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests start: two tests run at a time
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")  # the same examples on every run: a change fails by its own fault
torch.set_num_threads(1)  # the models are tiny: threads would wait for each other, the more so on a busy machine
transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


@pytest.fixture(autouse=True)
def _screen_of_a_program_ends_with_its_test():
    """Hydra leaves its handlers at the root logger of a program that ran in this process: doctests would print them."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each).__module__ == "vos.cli.logs"]:
        root.removeHandler(handler)


ROOT = Path(__file__).parent.parent

HARMFUL = ("the ladder fell and he broke his arm", "she was burned by the oil", "gas made both of them ill")
HARMLESS = ("the ladder leaned on the wall", "she poured the oil", "both of them cooked with gas")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def tokenizer():
    return AutoTokenizer.from_pretrained(model_location("bundled"))


def tiny_bert(tokenizer, **options) -> BertConfig:
    return BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        **options,
    )


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory, tokenizer) -> str:
    """Folder of a two-layer BERT encoder with d = 16 and random weights."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(tiny_bert(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_classifier(tmp_path_factory, tokenizer) -> str:
    """Folder of a two-layer BERT sequence classifier with two labels and random weights."""
    folder = tmp_path_factory.mktemp("models") / "tiny-classifier"
    labels = {"id2label": {0: "harmless", 1: "harmful"}, "label2id": {"harmless": 0, "harmful": 1}}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForSequenceClassification(tiny_bert(tokenizer, **labels)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def toy_examples(n: int, prefix: str = "t", start: int = 0) -> list[Example]:
    """`n` short texts that alternate between the classes; every text is different."""
    examples = []
    for i in range(start, start + n):
        label = i % 2
        words = (HARMLESS, HARMFUL)[label][(i // 2) % 3]
        examples.append(Example(f"{prefix}{i}", f"on day {i} {words}", label, level=(i // 2) % 2))
    return examples
