"""JSON requests to a server: API key, timeouts, retries with exponential backoff, and one-line errors."""

from __future__ import annotations

import json
import logging
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from vos.errors import ServerError
from vos.storage.extras import optional

LARGEST_REPLY = 64 * 2**20
"""Largest accepted reply in bytes."""

BUSY = (408, 409, 425, 429)
"""Transient HTTP statuses below 500 that are retried; from 500 on all are: loading, a failed worker, a gateway."""

NOT_THERE = 501
"""The one status from 500 on that is no trouble which passes: the server does not have the interface."""

LONGEST_WAIT = 60.0
"""Largest number of seconds between two attempts, even if the server asks for more."""

SHOWN = 160
"""Largest number of characters of a server's explanation in an error message."""

LOCAL = ("127.0.0.1", "localhost", "::1")


class RefusedError(ServerError):
    """The server refused the request.

    Attributes:
        status: HTTP status, 4xx or 501.
        detail: the server's explanation, shortened, without the key.
    """

    def __init__(self, message: str, status: int, detail: str) -> None:
        super().__init__(message)
        self.status, self.detail = status, detail


class _AgainError(ServerError):
    """A transient failure; `seconds` is how long the server asks to wait."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class UnreachableError(_AgainError):
    """No server listens at the address."""


class Transport:
    """Requests to one server.

    Each retry waits twice as long as the previous one, or as long as the server asks. Redirects are not followed,
    because they would receive the key. The key never appears in messages or logs.

    Args:
        url: address of the API, for example http://127.0.0.1:8000/v1.
        key: sent as a bearer token; None: no token.
        key_name: name of the key in messages.
        timeout: seconds to wait for a reply.
        retries: number of attempts after the first.
        wait: seconds before the second attempt.
        sleep: function that waits.

    Raises:
        ConfigError: the package httpx2 is not installed.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        key_name: str = "the key",
        *,
        timeout: float = 120.0,
        retries: int = 5,
        wait: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = optional("httpx2", "server", "language_model=server")
        # It logs every request with its address at INFO.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        self.url, self._key, self._key_name = url.rstrip("/"), key, key_name
        self._retries, self._wait, self._sleep = retries, wait, sleep
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Proxies of the environment are not used for a server on this machine.
        trust = urlsplit(url).hostname not in LOCAL
        limits = self._http.Limits(max_connections=None, max_keepalive_connections=64)
        limit = self._http.Timeout(timeout, connect=min(timeout, 10.0))
        self._client = self._http.Client(headers=headers, timeout=limit, trust_env=trust, limits=limits)
        # Users of a model do not know about its connections, so they are closed with it.
        self._closing = weakref.finalize(self, self._client.close)

    def close(self) -> None:
        """Close the connections."""
        self._closing()

    def get(self, path: str) -> Any:
        """The JSON value at a path, in a single attempt.

        Raises:
            ServerError: there is no such value.
        """
        return self._attempt("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any], read: Callable[[Any], Any] = lambda value: value) -> Any:
        """The result of `read` for the JSON value returned for a body.

        Args:
            path: path relative to the address of the server.
            body: sent as JSON.
            read: raises ServerError if the value is not as expected; the request is then retried.

        Raises:
            RefusedError: the server refuses the request or the key.
            ServerError: no attempt returned a usable reply; the message describes the last one.
        """
        for attempt in range(self._retries + 1):
            try:
                return read(self._attempt("POST", path, body))
            except _AgainError as error:
                if attempt == self._retries:
                    tries = f" ({attempt + 1} attempts)" if attempt else ""
                    raise ServerError(f"{error}{tries}") from error
                self._sleep(min(error.seconds or self._wait * 2**attempt, LONGEST_WAIT))
        raise AssertionError  # the last attempt returns or raises

    def _attempt(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        address, http = f"{self.url}{path}", self._http
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            with self._client.stream(method, address, content=content, headers=headers) as reply:
                raw = b""
                for part in reply.iter_bytes():
                    raw += part
                    if len(raw) > LARGEST_REPLY:
                        raise ServerError(f"{address}: a reply of more than {LARGEST_REPLY} bytes; is this the API?")
        except http.TimeoutException as error:
            raise _AgainError(
                f"{address}: no reply in time ({type(error).__name__}); raise language_model.timeout"
            ) from error
        except (http.InvalidURL, http.UnsupportedProtocol) as error:
            raise ServerError(f"language_model.url={self.url}: expected http://HOST:PORT/v1, cannot be used") from error
        except http.ConnectError as error:
            raise UnreachableError(
                f"{self.url}: cannot be reached ({self._plain(str(error))}); start the server, or correct "
                "language_model.url"
            ) from error
        except http.HTTPError as error:
            raise _AgainError(f"{address}: the connection broke ({type(error).__name__})") from error
        return self._value(address, reply, raw)

    def _value(self, address: str, reply: Any, raw: bytes) -> Any:
        status = int(reply.status_code)
        if status in (401, 403):
            has = (
                f"{self._key_name} was refused"
                if self._key
                else "it wants a key; name its variable with language_model.key_variable"
            )
            raise RefusedError(f"{self.url}: {has} (status {status})", status, "")
        if 300 <= status < 400:
            raise ServerError(f"{address}: answers with a redirect (status {status}); give the address it leads to")
        if status != 200:
            detail = self._plain(_explanation(raw))
            message = f"{address}: status {status}{': ' + detail if detail else ''}"
            if status in BUSY or (status >= 500 and status != NOT_THERE):
                raise _AgainError(message, _seconds(reply.headers.get("retry-after")))
            raise RefusedError(message, status, detail)
        try:
            return json.loads(raw)
        except ValueError as error:
            found = f"{len(raw)} bytes of {self._plain(reply.headers.get('content-type', 'no type'))}"
            raise _AgainError(
                f"{address}: expected a reply in JSON, got {found}; is this an OpenAI-compatible API?"
            ) from error

    def _plain(self, text: str) -> str:
        """A server's message as one short printable line, without the key."""
        text = text.replace(self._key, "***") if self._key else text
        return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:SHOWN]


def unusable(message: str) -> ServerError:
    """The error for a JSON reply of an unexpected form; it is retried."""
    return _AgainError(message)


def _explanation(raw: bytes) -> str:
    """A server's explanation of a failure, from the usual fields."""
    try:
        value = json.loads(raw)
    except ValueError:
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and name in value:
            value = value[name]
    return value if isinstance(value, str) else json.dumps(value, allow_nan=False)


def _seconds(header: str | None) -> float | None:
    """Seconds of a Retry-After header."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
