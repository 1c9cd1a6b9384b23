"""Identity of texts: when two texts are the same, and ids for texts that have none."""

import hashlib
import re
import unicodedata

UNPRINTABLE = re.compile("[\0\ud800-\udfff]")
"""NUL and lone surrogates: valid as JSON escapes, but no tokenizer or file accepts them."""


def text_uid(text: str) -> str:
    """SHA-256 (hex, first 32 characters) of the NFC-normalised text with runs of white space replaced by one space.

    In this package two texts are the same if their uids are equal; labels are keyed by uid, never by row number.

    Example:
        >>> text_uid("two  words") == text_uid(" two words ")
        True
    """
    normalised = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def leak_key(text: str) -> str:
    """Key that is equal for texts that differ only in case and spaces, so that they must not be in different splits.

    Example:
        >>> leak_key("Two  words ") == leak_key("two words")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def made_id(text: str) -> str:
    """Id of a text that a language model wrote; the same text has the same id."""
    return f"made-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
