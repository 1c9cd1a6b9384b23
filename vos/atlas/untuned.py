"""An encoder that was not tuned on the task, by which texts hang together or do not."""

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
"""Texts that the mean of the features is of."""


def untuned_features(
    texts: Sequence[str], rows: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Features of some of the texts in the bundled encoder, as it was before any tuning.

    Not in the encoder that the run began from: a model from elsewhere was tuned before the run, and the threshold from
    which an end has a name was measured in this one.

    Args:
        texts: n.
        rows: which are needed.
        generator: of the texts that the mean is of.

    Returns:
        (n, e) features, NaN in the rows that are not needed, and their mean (e,) over a sample of the texts. None
        where the encoder is not installed.
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
    """Tokenizer and table (V, e) of input embeddings, by which single words are alike or not.

    Those of the bundled encoder, whatever the classifier is; its own where that is not installed.

    Raises:
        ModelError: neither is there.
    """
    try:
        encoder: TextClassifier = EncoderClassifier(BUNDLED, ("one", "other"))
    except ModelError:
        encoder = classifier
    return encoder.tokenizer, input_embedding(encoder).weight.detach().float().cpu()
