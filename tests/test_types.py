import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, BertConfig, DistilBertConfig, GPT2Config, RobertaConfig

from vos.errors import ModelError
from vos.types import LinearHead

CONFIGS = [
    BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12),
    RobertaConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12),
    DistilBertConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=12),
    GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=2),
]


class Parts(nn.Module):
    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def test_a_linear_layer_shares_its_memory():
    layer = nn.Linear(4, 3)
    head = LinearHead.of(layer)
    assert head.weight is layer.weight
    assert head.bias is layer.bias


def test_a_missing_bias_is_zeros():
    head = LinearHead.of(nn.Linear(4, 3, bias=False).double())
    assert torch.equal(head.bias, torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_models_of_transformers_end_in_their_classifier(config):
    model = AutoModelForSequenceClassification.from_config(config)
    last = model.score if config.model_type == "gpt2" else model.classifier
    last = getattr(last, "out_proj", last)
    assert LinearHead.of(model).weight is last.weight
    if config.model_type != "gpt2":
        assert LinearHead.of(model.classifier).weight is last.weight


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (nn.ReLU(), "ReLU with no torch.nn.Linear in it"),
        (nn.Sequential(nn.Linear(4, 2), nn.LayerNorm(2)), r"1 \(LayerNorm\) after its last linear layer, 0 \(4 to 2\)"),
        (Parts(harm=nn.Linear(4, 2), topic=nn.Linear(4, 9)), r"each other: harm \(4 to 2\), topic \(4 to 9\)"),
    ],
)
def test_a_module_that_ends_in_no_one_linear_layer_is_told(module, found):
    with pytest.raises(ModelError, match=found):
        LinearHead.of(module)
