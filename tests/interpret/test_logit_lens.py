"""The logit lens, on tiny random masked language models whose own logits it must reproduce after the last block."""

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM, RobertaConfig, RobertaForMaskedLM
from transformers.utils import logging as transformers_logging

from tests.conftest import tiny_bert
from tests.models.families import write_family
from vos.errors import ModelError
from vos.interpret.logit_lens import MaskedHead, logit_lens
from vos.interpret.units import UnitReader
from vos.models import EncoderClassifier, PretrainedClassifier

NAMES = ("harmless", "harmful")
TEXTS = ["the ladder fell", "she poured the oil on the wall, and nobody was there"]


def masked_models(tokenizer):
    sizes = {"vocab_size": tokenizer.vocab_size, "max_position_embeddings": 64}
    yield BertForMaskedLM(tiny_bert(tokenizer))
    yield DistilBertForMaskedLM(DistilBertConfig(dim=16, n_heads=2, n_layers=2, hidden_dim=32, **sizes))
    bert = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    yield RobertaForMaskedLM(RobertaConfig(pad_token_id=0, **bert, **sizes))


@pytest.fixture(params=range(3), ids=["bert", "distilbert", "roberta"])
def masked(request, tokenizer, tmp_path):
    """A masked language model and the folder that it was written to."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = list(masked_models(tokenizer))[request.param].eval()
        for parameter in model.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return model, tmp_path


def test_after_the_last_block_it_is_the_models_own_prediction(masked):
    model, folder = masked
    classifier = EncoderClassifier(str(folder), NAMES, harmful=(1,))
    head = MaskedHead.load(str(folder))
    found = {each.row: each for each in logit_lens(UnitReader(classifier), head, TEXTS, k=4)}
    assert sorted(found) == [0, 1]
    for row, text in enumerate(TEXTS):
        given = classifier.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            own = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits[0]
            states = model.base_model(**given_of(given), output_hidden_states=True).hidden_states
            first = head(states[1])[0]
        each = found[row]
        assert each.token_ids.tolist() == given["input_ids"][0].tolist()
        assert each.top.shape == (2, len(own), 4)
        for layer, logits in enumerate((first, own)):
            expected = logits.log_softmax(-1)
            np.testing.assert_allclose(
                each.own[layer], expected.gather(1, given["input_ids"][0][:, None])[:, 0], atol=1e-4
            )
            values = expected.gather(1, torch.from_numpy(each.top[layer]))
            np.testing.assert_allclose(values, expected.topk(4).values, atol=1e-4)


def given_of(given):
    return {name: given[name] for name in ("input_ids", "attention_mask")}


def test_the_model_is_whole_again_after_it(masked):
    model, _ = masked
    head = MaskedHead(model)
    ids = torch.tensor([[5, 6, 7]])
    before = model(input_ids=ids).logits
    head(torch.zeros(1, 3, 16))
    torch.testing.assert_close(model(input_ids=ids).logits, before)


def test_an_encoder_without_a_head_has_none_and_is_not_called_corrupted(tiny_encoder, caplog):
    transformers_logging.enable_propagation()
    transformers_logging.set_verbosity_warning()
    assert MaskedHead.load(tiny_encoder) is None
    assert MaskedHead.load("bundled") is None
    assert "corrupted" not in caplog.text
    with pytest.raises(ModelError, match="cannot load"):
        MaskedHead.load("/nowhere")


def test_a_final_norm_is_refused(tmp_path, tokenizer):
    write_family(tmp_path, "modernbert")
    reader = UnitReader(PretrainedClassifier(str(tmp_path), NAMES, harmful=(1,)))
    with pytest.raises(ModelError, match="final norm"):
        list(logit_lens(reader, MaskedHead(BertForMaskedLM(tiny_bert(tokenizer))), ["the cat"]))
