"""Dreams of an atlas: real and generated texts in order of value, and new ones under the rules of generated texts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.atlas.worlds import tiny_world
from tests.toy_texts import WordLanguage
from vos.atlas import graph_work
from vos.atlas.artefacts import json_text, plain, write_artefact
from vos.atlas.dream_writer import DreamWriter
from vos.atlas.graph_work import GraphWork
from vos.atlas.produce_dreams import produce
from vos.atlas.settings import AtlasSettings
from vos.generation.language_model import LanguageModel
from vos.generation.rules import TextRules
from vos.interpret.activations import unit_activations
from vos.interpret.token_graphs import TokenGraphSettings


@pytest.fixture
def world(tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(graph_work, "BUNDLED", tiny_encoder)
    score = np.zeros((2, 32))
    score[1, 7], score[0, 3] = 2, 1
    write_artefact(tmp_path, "importance", {"score": score.tolist()}, {})
    return tiny_world(tiny_encoder, folder=tmp_path)


def test_the_texts_of_a_target_are_its_highest(world):
    found = plain(produce(world, AtlasSettings(n_texts=80, n_units=2)))
    json.loads(json_text(found))
    by_target = {
        (t["target"]["kind"], t["target"]["side"] or t["target"]["unit"]): t["texts"] for t in found["targets"]
    }
    assert set(by_target) == {("margin", "harmful"), ("margin", "harmless"), ("unit", 7), ("unit", 3)}
    rows = GraphWork(world, TokenGraphSettings()).texts.rows
    values = unit_activations(world.classifier, 1, [7])(rows)[:, 0]
    shown = by_target["unit", 7]
    assert [each["i"] for each in shown] == np.argsort(-values, kind="stable")[: len(shown)].tolist()
    for side, sign in (("harmful", 1), ("harmless", -1)):
        assert all(each["value"] > 0 for each in by_target["margin", side])
        assert all(sign * world.texts.margin[each["i"]] > -0.05 for each in by_target["margin", side])


class Tape:
    """A language model that says what is on it, in turn."""

    def __init__(self, *texts):
        self.said, self.prompts = list(texts), []

    def start(self, prompt, n, max_tokens):
        self.prompts.append(prompt)
        return self

    def select(self, rows):
        self.rows = len(rows)
        return self

    def texts(self):
        return self.said[: self.rows]

    def __len__(self):
        return self.rows

    tokens = property(lambda self: [[0]] * self.rows)
    finished = property(lambda self: [True] * self.rows)


def test_what_breaks_a_rule_is_left_out_and_counted():
    shots = ["the dog ran over the hill.", "a cat sat there quietly."]
    tape = Tape("birds sing early in spring.", "too short.", "the dog ran over the hills.", "call me at a@b.com today.")
    writer = DreamWriter(tape, ["birds fly south when winter comes."], lambda i: torch.Generator().manual_seed(i), n=4)
    assert writer(shots, 0) == ["birds sing early in spring."]
    assert tape.prompts == ["- a cat sat there quietly.\n- the dog ran over the hill.\n-"]
    assert sum(writer.refused.values()) == 3
    assert writer(["http://x.y see <b>this</b>"], 0) == [] or tape.prompts[-1].startswith("- http")
    assert writer(["long " * 60], 1) == []


def test_new_texts_come_from_the_generator_and_are_repeatable(world, monkeypatch):
    loaded = []
    given = classmethod(lambda cls, **options: loaded.append(options) or WordLanguage())
    monkeypatch.setattr(LanguageModel, "load", given)
    world = replace(world, language_models=Path("elsewhere/models"))
    first, second = (plain(produce(world, AtlasSettings(n_texts=80, n_units=1, dreams=True))) for _ in range(2))
    assert first == second
    assert loaded == [{"cache": Path("elsewhere/models"), "device": "cpu"}] * 2
    new = [each["text"] for target in first["targets"] for each in target["texts"] if "text" in each]
    assert len(new) + sum(first["refused"].values()) > 0
    assert all(TextRules().broken(text) is None and text not in world.texts.text for text in new)
