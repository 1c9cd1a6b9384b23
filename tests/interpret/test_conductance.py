"""Conductance in one pass, against captum for one layer and a closed form."""

import numpy as np
import pytest
import torch

from tests.interpret.toy_units import ToyClassifier
from vos.interpret.conductance import conductance
from vos.interpret.units import UnitReader
from vos.models import EncoderClassifier

TEXTS = ["the cat sat on the wall", "she poured oil on the steam"]


def test_agrees_with_captum(tiny_encoder):
    attr = pytest.importorskip("captum.attr")
    classifier = EncoderClassifier(tiny_encoder, ("harmless", "harmful"), harmful=(1,)).eval()
    reader, steps = UnitReader(classifier), 6
    found = conductance(reader, TEXTS, steps)
    bert = classifier.encoder
    for row, text in enumerate(TEXTS):
        given = classifier.tokenizer(text, return_tensors="pt")
        own = bert.embeddings.word_embeddings(given["input_ids"]).detach()
        baseline = bert.embeddings.word_embeddings.weight.mean(0).detach().expand_as(own).clone()
        baseline[:, 0], baseline[:, -1] = own[:, 0], own[:, -1]

        def margins(embedded, mask=given["attention_mask"]):
            hidden = bert(inputs_embeds=embedded, attention_mask=mask.expand(len(embedded), -1)).last_hidden_state
            logits = classifier.head(hidden.mean(1))
            return logits[:, 1] - logits[:, 0]

        for layer in range(2):
            module = bert.encoder.layer[layer].output.dense
            theirs = attr.LayerConductance(margins, module)
            expected = theirs.attribute(
                own, baseline, n_steps=steps, method="riemann_trapezoid", attribute_to_layer_input=True
            )
            np.testing.assert_allclose(found[row, layer], expected[0].sum(0).detach(), atol=1e-5, rtol=1e-3)


def test_units_that_the_margin_reads_linearly_have_their_rise_along_the_path():
    toy = ToyClassifier()
    found = conductance(UnitReader(toy), TEXTS, n_steps=7)
    block, mean = toy.blocks[0], toy.table.weight.mean(0)
    reads = (toy.head.weight[1] - toy.head.weight[0]) @ block.down.weight
    for row, text in enumerate(TEXTS):
        own = toy.table(torch.tensor(toy.tokenizer(text)["input_ids"])[1:-1])
        rise = torch.relu(block.up(own)) - torch.relu(block.up(mean.expand_as(own)))
        expected = (rise.sum(0) / (len(own) + 2) * reads).detach()
        np.testing.assert_allclose(found[row, 0], expected, atol=1e-4)


def test_no_text():
    assert conductance(UnitReader(ToyClassifier()), []).shape == (0, 1, 12)
