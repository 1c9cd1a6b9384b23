"""Every model family: the output for a text is the same alone, in any batch, before and after saving."""

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.models.families import FAMILIES, VOCABULARY, WORDS, word_tokenizer, write_family
from vos.data.batching import TokenCollator
from vos.errors import ConfigError, ModelError
from vos.models import ClassifierFeaturizer, EncoderClassifier, PretrainedClassifier, load_classifier
from vos.models.tokenizer import position_limit
from vos.types import tokenize

NAMES = ("harmless", "harmful")
TEXTS = [
    "she fell", "the cat sat on the wall", "he was burned by the oil in her ladder of steam", "unheard of",
    "the ladder broke", "steam", "the oil poured on the cat and she sat in the steam of the wall by her ladder",
]  # fmt: skip
TOLERANCE = 1e-4


def alone(model, tokenizer, texts=TEXTS):
    """The model's own logits (n, C), a text at a time, as anyone would ask for them."""
    with torch.no_grad():
        rows = []
        for text in texts:
            given = tokenizer(text, return_tensors="pt")
            rows.append(model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits)
    return torch.cat(rows)


def in_training_batches(classifier, texts=TEXTS):
    """Logits (n, C) through the batches of the training loop, all texts in one."""
    ids = tokenize(classifier.tokenizer, texts, classifier.max_length)
    rows = [{"index": i, "input_ids": row, "label": 0} for i, row in enumerate(ids)]
    with torch.no_grad():
        return classifier(TokenCollator(classifier.tokenizer)(rows))[1]


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_the_models_own_alone_in_batches_and_after_saving(family, tmp_path):
    own = write_family(tmp_path / "own", family)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "own")
    expected = alone(own, tokenizer)
    assert (expected[0] - expected[2]).abs().max() > 10 * TOLERANCE  # the texts differ by more than is allowed
    classifier = PretrainedClassifier(str(tmp_path / "own"), NAMES).eval()
    classifier.save(tmp_path / "saved")
    for each in (classifier, load_classifier(tmp_path / "saved")):
        featurizer = ClassifierFeaturizer(each)
        assert_same(featurizer.featurize(TEXTS).logits, expected)
        assert_same(torch.cat([featurizer.featurize([text]).logits for text in TEXTS]), expected)
        assert_same(ClassifierFeaturizer(each, max_tokens=40).featurize(TEXTS).logits, expected)
        assert_same(in_training_batches(each), expected)
    elsewhere = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    saved_tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert_same(alone(elsewhere, saved_tokenizer), expected)
    assert elsewhere.config.id2label == dict(enumerate(NAMES))
    assert elsewhere.config.label2id == {name: i for i, name in enumerate(NAMES)}
    together = saved_tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = elsewhere(input_ids=together["input_ids"], attention_mask=together["attention_mask"]).logits
    assert_same(logits, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_taken_before_the_last_dropout(family, tmp_path):
    kind = FAMILIES[family]
    write_family(tmp_path, family, **({kind.dropout: 0.5} if kind.dropout else {}))
    classifier = PretrainedClassifier(str(tmp_path), NAMES)
    assert classifier.dropout_rate == (0.5 if kind.dropout else 0.0)
    classifier.train()
    ids = tokenize(classifier.tokenizer, TEXTS, 32)
    batch = TokenCollator(classifier.tokenizer)([{"index": 0, "input_ids": row, "label": 0} for row in ids])
    torch.manual_seed(0)
    features, logits = classifier(batch)
    exact_zeros = float((features == 0).float().mean())
    assert exact_zeros < (0.9 if family == "distilbert" else 0.02)  # its ReLU gives zeros of its own; a dropout of half
    assert torch.equal(logits, classifier.head(features)) is not bool(kind.dropout)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_length_above_the_positions_is_refused_and_one_at_the_limit_runs(family, tmp_path):
    model = write_family(tmp_path, family)
    limit = FAMILIES[family].limit
    assert position_limit(model) == limit
    if limit is None:
        assert PretrainedClassifier(str(tmp_path), NAMES, max_length=100_000).max_length == 100_000
        return
    with pytest.raises(ConfigError, match=rf"model\.max_length: expected at most {limit}, .*, got {limit + 1}"):
        PretrainedClassifier(str(tmp_path), NAMES, max_length=limit + 1)
    classifier = PretrainedClassifier(str(tmp_path), NAMES, max_length=limit).eval()
    if limit <= 1024:
        batch = ClassifierFeaturizer(classifier).featurize(["the cat sat " * 400])
        assert batch.logits.isfinite().all()


@pytest.mark.parametrize("own_padding", [3, None, 8, -1])
@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2", "gemma"])
def test_a_tokenizer_that_pads_otherwise_than_the_configuration(family, own_padding, tmp_path):
    """The configuration's token, even a word (8), says which token is the last; the tokenizer's says nothing."""
    own = write_family(tmp_path, family, pad_token_id=own_padding)
    expected = alone(own, AutoTokenizer.from_pretrained(tmp_path))
    classifier = PretrainedClassifier(str(tmp_path), NAMES).eval()
    assert_same(ClassifierFeaturizer(classifier).featurize(TEXTS).logits, expected)
    assert_same(in_training_batches(classifier), expected)
    classifier.save(tmp_path / "saved")
    assert_same(ClassifierFeaturizer(load_classifier(tmp_path / "saved")).featurize(TEXTS).logits, expected)
    saved = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert saved("the cat broke a wall")["input_ids"] == classifier.tokenizer("the cat broke a wall")["input_ids"]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_tokenizer_without_padding_that_ends_texts_like_the_padding(family, tmp_path):
    tokenizer = word_tokenizer("$A <eos>", pad_token=None)
    own = write_family(tmp_path, family, tokenizer, pad_token_id=None)
    classifier = PretrainedClassifier(str(tmp_path), NAMES).eval()
    assert_same(ClassifierFeaturizer(classifier).featurize(TEXTS).logits, alone(own, tokenizer))


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_a_text_that_spells_out_the_end_token_stands_in_any_batch(family, tmp_path):
    own = write_family(tmp_path, family)
    texts = ["the cat <eos> sat", *TEXTS, "<eos> <eos>"]
    classifier = PretrainedClassifier(str(tmp_path), NAMES).eval()
    expected = alone(own, classifier.tokenizer, texts)
    assert_same(ClassifierFeaturizer(classifier).featurize(texts).logits, expected)
    assert_same(in_training_batches(classifier, texts), expected)


def test_a_model_that_needs_an_end_token_is_refused_without_one(tmp_path):
    write_family(tmp_path, "bart", word_tokenizer("$A"))
    with pytest.raises(ModelError, match="BartForSequenceClassification cannot read a text as its tokenizer gives it"):
        PretrainedClassifier(str(tmp_path), NAMES)


def test_a_model_that_hears_its_neighbours_is_refused(tmp_path, monkeypatch):
    """A convolution over the padded text, as no mask can take back: the probe finds it."""
    from transformers import BertForSequenceClassification

    write_family(tmp_path, "bert")
    forward = BertForSequenceClassification.forward

    def listening(self, input_ids=None, attention_mask=None, **others):
        out = forward(self, input_ids=input_ids, attention_mask=attention_mask, **others)
        out.logits = out.logits + 0.1 * input_ids.shape[1]
        return out

    monkeypatch.setattr(BertForSequenceClassification, "forward", listening)
    with pytest.raises(ModelError, match="what it says of a text depends on the other texts of a batch"):
        PretrainedClassifier(str(tmp_path), NAMES)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", ["bert", "xlnet", "bart", "llama"])
def test_the_side_that_is_cut(family, side, tmp_path):
    own = write_family(tmp_path / "own", family)
    classifier = PretrainedClassifier(str(tmp_path / "own"), NAMES, max_length=10, truncation_side=side).eval()
    words = (WORDS * 3)[:40]
    room = 10 - classifier.tokenizer.num_special_tokens_to_add()
    kept = words[-room:] if side == "left" else words[:room]
    expected = alone(own, word_tokenizer(FAMILIES[family].template), [" ".join(kept)])
    classifier.save(tmp_path / "saved")
    for each in (classifier, load_classifier(tmp_path / "saved")):
        assert_same(ClassifierFeaturizer(each).featurize([" ".join(words), "a"]).logits[:1], expected)
    saved = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert saved.truncation_side == side
    assert len(VOCABULARY) == len(saved)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("family", ["electra", "deberta-v2", "modernbert", "xlnet", "gpt2", "llama"])
def test_features_of_an_encoder_do_not_depend_on_the_batch(family, pooling, tmp_path):
    write_family(tmp_path / "own", family, word_tokenizer(FAMILIES[family].template, pad_token=None), pad_token_id=None)
    classifier = EncoderClassifier(str(tmp_path / "own"), NAMES, pooling=pooling).eval()
    classifier.save(tmp_path / "saved")
    alone_features = torch.cat([ClassifierFeaturizer(classifier).featurize([text]).features for text in TEXTS])
    for each in (classifier, load_classifier(tmp_path / "saved")):
        assert_same(ClassifierFeaturizer(each).featurize(TEXTS).features, alone_features)


def test_an_encoder_decoder_is_no_encoder(tmp_path):
    write_family(tmp_path, "t5")
    with pytest.raises(ModelError, match=r"^T5Model cannot read a text as its tokenizer gives it: [^\n]+$"):
        EncoderClassifier(str(tmp_path), NAMES)
