"""Graphs with groups that are known."""

import numpy as np


def planted(generator, groups=6, units=15, tokens=20, strength=6.0, present=0.6):
    """Weights (groups * units, groups * tokens), nearly all edges there everywhere; only weights tell the groups."""
    labels, of_token = np.repeat(np.arange(groups), units), np.repeat(np.arange(groups), tokens)
    weights = generator.exponential(size=(len(labels), len(of_token)))
    weights *= generator.random(weights.shape) < present
    weights *= np.where(labels[:, None] == of_token, strength, 1.0)
    return weights, labels
