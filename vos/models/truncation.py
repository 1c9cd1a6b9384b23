"""How many texts a classifier reads in part only, and how much of them it does not read."""

from __future__ import annotations

import itertools
import logging
import statistics
from collections.abc import Iterable
from typing import Any

from vos.models.base import TextClassifier
from vos.types import TOKENIZE_CHUNK

logger = logging.getLogger(__name__)


def warn_of_truncation(classifier: TextClassifier, name: str, texts: Iterable[str]) -> list[int]:
    """Warn once where texts are longer than the classifier reads; memory does not grow with their number.

    Args:
        classifier: whose `max_length` cuts them.
        name: of the texts, for the message.
        texts: read once.

    Returns:
        The tokens that are not read, of each text that is cut.
    """
    lost, n = [], 0
    remaining = iter(texts)
    while part := list(itertools.islice(remaining, TOKENIZE_CHUNK)):
        n += len(part)
        lost += _unread(classifier.tokenizer, part, classifier.max_length)
    if lost:
        side = classifier.tokenizer.truncation_side
        end, other = ("end", "left") if side == "right" else ("beginning", "right")
        logger.warning(
            "%s: %d of %d texts have more than model.max_length=%d tokens; their %s is not read: %d tokens of the "
            "median one, %d at most; a larger model.max_length, or model.truncation_side=%s, changes that",
            name, len(lost), n, classifier.max_length, end, statistics.median_high(lost), max(lost), other,
        )  # fmt: skip
    return lost


def _unread(tokenizer: Any, texts: list[str], max_length: int) -> list[int]:
    # No token stands for less than a byte, so that short texts need not be tokenised.
    room = max_length - int(tokenizer.num_special_tokens_to_add()) - 1
    long = [text for text in texts if len(text.encode("utf-8", "surrogatepass")) > room]
    if not long:
        return []
    ids = tokenizer(long, truncation=False, padding=False, return_attention_mask=False, verbose=False)["input_ids"]
    return [len(each) - max_length for each in ids if len(each) > max_length]
