"""A browser for the pages of the site."""

from tests.browser import browser  # noqa: F401
