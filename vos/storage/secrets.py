"""Keeps secrets out of settings, which are stored with a run: settings only name an environment variable."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from vos.errors import ConfigError

VARIABLE = re.compile(r"(?![0-9a-fA-F]{32,}$)[A-Za-z_][A-Za-z0-9_]{0,63}")
"""Name of an environment variable; a long string of hexadecimal digits is a token instead."""


def check_no_secret(prefix: str, url: str, name: str, variable: str | None) -> None:
    """Refuse settings that contain a secret; the message does not show it.

    Args:
        prefix: prefix of the settings in messages, such as "labels."; may be empty.
        url: URL of a server.
        name: name of the setting that names the environment variable.
        variable: value of that setting; None: no secret is sent.

    Raises:
        ConfigError: a user or password in the URL, or a value that is not the name of a variable.

    Example:
        >>> check_no_secret("", "http://localhost:8080", "token_variable", "LABEL_STUDIO_API_KEY")
    """
    try:
        parts = urlsplit(url)
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        secret = "@" in url
    if secret:
        raise ConfigError(
            f"{prefix}url: expected no user and no password in the address (not shown here), it would be stored with "
            f"the run; put the key into an environment variable and name it with {name}"
        )
    if variable is not None and not VARIABLE.fullmatch(variable):
        raise ConfigError(
            f"{prefix}{name}: expected the name of an environment variable (letters, digits, _), got something else, "
            "which is not shown here as it may be the key itself"
        )
