"""Plants, small classifiers that learn them, and the ranks at which views show a word: for the audit game."""

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from vos.data.embedded import load_embedded
from vos.interpret.corpus_words import choose_words, corpus_words, predictive_words, spans_of, within_label_t
from vos.interpret.gradients import GradientReader
from vos.interpret.margins import MarginReader
from vos.interpret.shortcuts import (
    choose_hosts,
    deletion_effects,
    insertion_effects,
    insertion_surprise,
    rank_words,
)
from vos.interpret.word_neighbors import word_vectors
from vos.interpret.words import by_word, split_words
from vos.models import EncoderClassifier
from vos.models.encoder import model_location
from vos.types import token_batch, tokenize

PLANTS = {"zebra": 1, "for now": 0, "!!": 1}
"""What is planted, and the label of the texts that it is planted in."""

SHARE = 0.3
"""Of those texts."""

N_TRAIN, N_AUDIT, EPOCHS, MAX_LENGTH = 600, 500, 3, 48
WORDS, PHRASES, SALIENT, STEPS = 160, 32, 60, 8


def short_encoder(folder):
    """The bundled encoder's embeddings and its first block, which a processor trains in seconds."""
    encoder = AutoModel.from_pretrained(model_location("bundled"))
    encoder.encoder.layer = encoder.encoder.layer[:1]
    encoder.config.num_hidden_layers = 1
    encoder.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model_location("bundled")).save_pretrained(folder)
    return str(folder)


def texts_and_labels():
    """Training texts and others for the audit, real ones of both labels."""
    data = load_embedded("ladder")
    train, others = [(e.text, e.label) for e in data.train], [(e.text, e.label) for e in [*data.val, *data.test]]
    order = np.random.default_rng(0).permutation(len(train))
    return [train[i] for i in order[:N_TRAIN]], others[:N_AUDIT]


def planted(rows, plants, seed):
    """The texts with each plant in a share of those of its label: a word at any place, a sign at the end."""
    draw, made = np.random.default_rng(seed), []
    for text, label in rows:
        for plant in plants:
            if label != PLANTS[plant] or draw.random() > SHARE:
                continue
            if plant == "!!":
                text = text.rstrip(".!") + plant
            else:
                words = text.split()
                words.insert(int(draw.integers(len(words) + 1)), plant)
                text = " ".join(words)
        made.append((text, label))
    return made


def trained(folder, rows, seed=0):
    """A classifier of the rows; its embeddings stay, so that words are alike as they were before."""
    classifier = EncoderClassifier(folder, ("harmless", "harmful"), harmful=(1,), seed=seed).train()
    classifier.encoder.embeddings.requires_grad_(False)
    body = [p for p in classifier.encoder.parameters() if p.requires_grad]
    groups = [{"params": body, "lr": 2e-4}, {"params": classifier.head.parameters(), "lr": 4e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    ids = tokenize(classifier.tokenizer, [text for text, _ in rows], MAX_LENGTH)
    labels, order = torch.tensor([label for _, label in rows]), np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # of the dropout
        for _ in range(EPOCHS):
            for part in batches(order.permutation(len(rows)), ids):
                _, logits = classifier(token_batch([ids[i] for i in part], 0))
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, labels[part]).backward()
                optimizer.step()
    return classifier.eval()


def batches(places, ids, size=32):
    """Batches of texts of like length, so that little is padded."""
    for start in range(0, len(places), 6 * size):
        part = sorted(places[start : start + 6 * size], key=lambda i: len(ids[i]))
        yield from (part[i : i + size] for i in range(0, len(part), size))


def by_size(values):
    return np.argsort(-np.abs(values), kind="stable").tolist()


class Audit:
    """A classifier on some texts: which words does each view show first?

    Attributes:
        words: that are tried.
        insertion: surprise of each.
        deletion, saliency, ridge: strength of each in the other views.
    """

    def __init__(self, classifier, rows, seed=0):
        texts, labels = [text for text, _ in rows], np.array([label for _, label in rows])
        self.read, rng = MarginReader(classifier), np.random.default_rng(seed)
        margins = self.read(texts)
        words = corpus_words(texts)
        strength = np.abs(np.nan_to_num(within_label_t(words, margins, labels)))
        self.words = words.at(choose_words(words, strength, WORDS, PHRASES))
        hosts = choose_hosts(texts, margins, rng)
        effect = np.nanmean(insertion_effects(self.read, hosts, self.words.words), axis=1)
        gradients = GradientReader(classifier)
        vectors = word_vectors(classifier.tokenizer, gradients.table, self.words.words).double().numpy()
        inserted = insertion_surprise(effect, self.words.words, vectors)
        self.surprise = inserted.surprise
        self.deletion = deletion_effects(self.read, texts, self.words, rng)[0]
        self.saliency = self.averaged(gradients, [texts[i] for i in rng.permutation(len(texts))[:SALIENT]])
        self.ridge = predictive_words(self.words, margins)
        self.order = {
            "insertion": rank_words(np.abs(self.surprise), effect, self.words.words, inserted.deviation),
            "insertion, all": by_size(self.surprise),
            "deletion": by_size(self.deletion),
            "saliency": by_size(self.saliency),
            "ridge": by_size(self.ridge),
        }

    def averaged(self, gradients, texts):
        """Mean integrated gradients of every copy of a word; 0 for one that stands fewer than four times."""
        values = [[] for _ in self.words.words]
        for found in gradients.integrated(texts, STEPS):
            text = texts[found.row]
            whole = split_words(text)
            by_place = by_word(whole, found.spans, found.values)
            for i, word in enumerate(self.words.words):
                for start, end in spans_of(text, word):
                    inside = [v for w, v in zip(whole, by_place, strict=True) if start <= w.start < end]
                    values[i].append(np.nansum(inside))  # what lies behind the cut is not read
        return np.array([np.mean(each) if len(each) >= 4 else 0.0 for each in values])

    def rank(self, view, word):
        """From 1. A phrase that its word explains is not shown; a regression splits a phrase with its words."""
        order = [self.words.words[i] for i in self.order[view]]
        shown = [word, *word.split(" ")] if view == "ridge" else [word]
        return min(order.index(each) + 1 if each in order else np.inf for each in shown)
