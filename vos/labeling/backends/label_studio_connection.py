"""A connection to a Label Studio server, with errors that say what to do."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from vos.errors import DataError, ToolError
from vos.labeling.backends.label_studio_format import tasks_of_export
from vos.storage.extras import optional

TIMEOUT = 120.0
"""Seconds within which a server must respond."""


class Connection:
    """A connection to a Label Studio server (1.23, community edition or newer).

    Args:
        url: URL of the server, for example http://localhost:8080.
        token: legacy token or personal access token.
        timeout: seconds within which the server must respond.

    Raises:
        ToolError: the server is unreachable, or refuses the token; the message names the kind of token.
        ConfigError: label-studio-sdk is not installed.
    """

    def __init__(self, url: str, token: str, timeout: float = TIMEOUT) -> None:
        package = sdk("label_studio_sdk")
        # The SDK joins paths relative to the URL: without the trailing slash, http://host/prefix loses its prefix.
        self.url = url.rstrip("/")
        self.kind = token_in_words(token)
        self._http = sdk("httpx").Client(timeout=timeout, follow_redirects=True)
        try:
            with self.clear_errors("connect"):
                self._client = package.LabelStudio(base_url=self.url + "/", api_key=token, httpx_client=self._http)
                self._client.users.whoami()
        except ToolError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    @contextmanager
    def clear_errors(self, step: str) -> Iterator[None]:
        """Context that turns failures of a step into `ToolError`."""
        api_error = sdk("label_studio_sdk.core.api_error").ApiError
        http_error = sdk("httpx").HTTPError
        try:
            yield
        except api_error as error:
            body = error.body
            detail = body.get("detail") or body if isinstance(body, dict) else body
            if error.status_code == 401:
                raise ToolError(
                    f"{self.url}: the {self.kind} was refused ({detail}). Legacy tokens are off in new organisations "
                    "and personal access tokens expire: make a new one under Account & Settings"
                ) from error
            raise ToolError(f"{self.url}: could not {step}: {error.status_code} {detail}") from error
        except (http_error, OSError) as error:
            raise ToolError(
                f"{self.url}: could not {step}, the server does not answer ({error or type(error).__name__}). Repeat "
                "the command when it runs: what it acknowledged is in the ledger and is not sent twice"
            ) from error

    def export(self, project: int) -> list[dict[str, Any]]:
        """Every task of a project with its annotations.

        Raises:
            ToolError: the server refused, does not respond, or sent an incomplete response.
        """
        with self.clear_errors(f"export project {project}"):
            content = b"".join(
                self._client.projects.exports.download_sync(id=project, export_type="JSON", download_all_tasks=True)
            )
        try:
            return tasks_of_export(content)
        except DataError as error:
            raise ToolError(
                f"{self.url}: the export of project {project} is cut off ({error}); nothing of it was taken, repeat "
                "the command"
            ) from error


def sdk(name: str) -> Any:
    """Import a module of the optional packages.

    Raises:
        ConfigError: the package is not installed.
    """
    return optional(name, "label-studio", "labeling=label_studio")


def token_in_words(token: str) -> str:
    """Describe the kind of a token, and when it expired, if it did.

    A personal access token is a JWT, whose payload contains its expiry; a legacy token has 40 hexadecimal characters.
    """
    if token.count(".") != 2:
        return "legacy token"
    middle = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        end = datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return "personal access token"
    return "personal access token" + (f" (it expired on {end:%Y-%m-%d})" if end < datetime.now(UTC) else "")
