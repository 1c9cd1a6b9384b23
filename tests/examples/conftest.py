"""Fixtures: a weak transformers classifier, the bundled encoder with a head fitted to a few texts."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from transformers import BertForSequenceClassification

from vos.models.encoder import model_location


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("models") / "classifier"
    texts = [f"on day {i} {words}" for i in range(20) for words in ("she poured the oil", "she was burned by the oil")]
    model = BertForSequenceClassification.from_pretrained(model_location("bundled"), num_labels=2).eval()
    with torch.no_grad():
        features = model.bert(**tokenizer(texts, padding=True, return_tensors="pt")).pooler_output
        fitted = LogisticRegression(C=0.1).fit(features.numpy(), [0, 1] * 20)
        row = torch.from_numpy(fitted.coef_[0]).float()
        model.classifier.weight.copy_(torch.stack([-row, row]) / 2)
        model.classifier.bias.copy_(torch.tensor([-0.5, 0.5]) * float(fitted.intercept_[0]))
    model.config.id2label = {0: "harmless", 1: "harmful"}
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
