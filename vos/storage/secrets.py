"""Settings are stored with a run: a secret stands in the environment, and settings name its variable alone."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from vos.errors import ConfigError

VARIABLE = re.compile(r"(?![0-9a-fA-F]{32,}$)[A-Za-z_][A-Za-z0-9_]{0,63}")
"""Name of an environment variable; many hexadecimal digits are a token."""


def check_no_secret(prefix: str, url: str, name: str, variable: str | None) -> None:
    """Refuse settings that hold a secret themselves; it is not shown.

    Args:
        prefix: of the settings in messages, such as "labels."; may be empty.
        url: of a server.
        name: of the setting that names a variable.
        variable: what that setting says; None: no secret is sent.

    Raises:
        ConfigError: user or password in the address, or something else than the name of a variable.

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
