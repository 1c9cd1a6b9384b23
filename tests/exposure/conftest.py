"""The fixtures of `tests.toy_texts`."""

from tests.toy_texts import *  # noqa: F403
