"""An encoder that was not fine-tuned on the task, for measuring the coherence of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vos.errors import ModelError
from vos.interpret.gradients import input_embedding
from vos.models import ClassifierFeaturizer, EncoderClassifier, TextClassifier
from vos.models.encoder import BUNDLED

MEAN_OF = 300
"""Number of texts for the mean of the features."""


def untuned_features(
    texts: Sequence[str], rows: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Features of some of the texts in the bundled encoder, before any fine-tuning.

    The run's initial encoder is not used: a model from elsewhere may already be fine-tuned, and the threshold for
    naming an end was measured with the bundled encoder.

    Args:
        texts: n texts.
        rows: rows that are needed.
        generator: chooses the texts for the mean.

    Returns:
        (n, e) features, NaN in the rows that are not needed, and their mean (e,) over a sample of the texts. None
        if the encoder is not installed.
    """
    try:
        encoder = EncoderClassifier(BUNDLED, ("one", "other"))
    except ModelError:
        return None
    sample = generator.permutation(len(texts))[:MEAN_OF]
    wanted = np.union1d(rows, sample).astype(np.int64)
    features = np.full((len(texts), encoder.n_features), np.nan)
    features[wanted] = ClassifierFeaturizer(encoder).featurize([texts[i] for i in wanted]).features.double().numpy()
    return features, features[sample].mean(0)


def untuned_embeddings(classifier: TextClassifier) -> tuple[Any, Tensor]:
    """Tokenizer and table (V, e) of input embeddings, for the similarity of single words.

    Those of the bundled encoder for any classifier; the classifier's own if that is not installed.

    Raises:
        ModelError: neither exists.
    """
    try:
        encoder: TextClassifier = EncoderClassifier(BUNDLED, ("one", "other"))
    except ModelError:
        encoder = classifier
    return encoder.tokenizer, input_embedding(encoder).weight.detach().float().cpu()
