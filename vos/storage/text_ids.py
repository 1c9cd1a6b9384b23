"""When two texts are the same, and the names of texts that come without one."""

import hashlib
import re
import unicodedata

UNPRINTABLE = re.compile("[\0\ud800-\udfff]")
"""NUL, and halves of a surrogate pair: valid in JSON escapes, but no tokenizer or file takes them."""


def text_uid(text: str) -> str:
    """SHA-256 (hex, first 32 characters) of the NFC-normalised text with runs of white space as one space.

    Two texts are the same in this package when their uids are equal; labels are keyed by it, never by a row number.

    Example:
        >>> text_uid("two  words") == text_uid(" two words ")
        True
    """
    normalised = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def leak_key(text: str) -> str:
    """What two texts share that a classifier could not be asked about apart: capitals and spaces do not count.

    Example:
        >>> leak_key("Two  words ") == leak_key("two words")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def made_id(text: str) -> str:
    """Id of a text that a language model wrote: the same text has the same id."""
    return f"made-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
