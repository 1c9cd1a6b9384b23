"""JSON to a server and back: the key, time limits, repeats with a growing wait, and every failure in one line."""

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
"""Bytes; a reply of so many is not one of ours."""

AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
"""Statuses that another attempt may not meet: busy, loading, a worker that died."""

LONGEST_WAIT = 60.0
"""Seconds between two attempts, at most, whatever the server asks for."""

SHOWN = 160
"""Characters of a server's explanation in a message."""

LOCAL = ("127.0.0.1", "localhost", "::1")


class RefusedError(ServerError):
    """The server understood the request and will not have it.

    Attributes:
        status: of HTTP, 4xx.
        detail: what the server says, shortened, without the key.
    """

    def __init__(self, message: str, status: int, detail: str) -> None:
        super().__init__(message)
        self.status, self.detail = status, detail


class _AgainError(ServerError):
    """A failure that another attempt may not meet; `seconds` is how long the server asks to wait."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class UnreachableError(_AgainError):
    """Nobody listens there."""


class Transport:
    """Requests to one server.

    A repeat waits twice as long as the one before it, or as long as the server asks. Redirects are not followed: the
    key would go along. The key is in no message and no log.

    Args:
        url: of the API, for example http://127.0.0.1:8000/v1.
        key: sent as a bearer token; None sends none.
        key_name: how messages call the key.
        timeout: seconds to wait for a reply.
        retries: attempts after the first.
        wait: seconds before the second attempt.
        sleep: waits.

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
        # Its log names every address at INFO, one line a request.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        self.url, self._key, self._key_name = url.rstrip("/"), key, key_name
        self._retries, self._wait, self._sleep = retries, wait, sleep
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # A proxy of the environment is not asked for a server on this machine.
        trust = urlsplit(url).hostname not in LOCAL
        limits = self._http.Limits(max_connections=None, max_keepalive_connections=64)
        limit = self._http.Timeout(timeout, connect=min(timeout, 10.0))
        self._client = self._http.Client(headers=headers, timeout=limit, trust_env=trust, limits=limits)
        # Whoever uses a model does not know that it has connections: they go with it.
        self._closing = weakref.finalize(self, self._client.close)

    def close(self) -> None:
        """Close the connections."""
        self._closing()

    def get(self, path: str) -> Any:
        """The JSON value at a path, asked for once.

        Raises:
            ServerError: there is none.
        """
        return self._attempt("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any], read: Callable[[Any], Any] = lambda value: value) -> Any:
        """What `read` makes of the JSON value that answers a body.

        Args:
            path: below the address of the server.
            body: sent as JSON.
            read: raises ServerError where the value is not what was expected; then the request is repeated too.

        Raises:
            RefusedError: the server refuses the request or the key.
            ServerError: no attempt brought a reply that can be used; tells what came of the last one.
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
            if status in AGAIN:
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
        """Words of a server as one short line that can be shown: printable, and without the key."""
        text = text.replace(self._key, "***") if self._key else text
        return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:SHOWN]


def unusable(message: str) -> ServerError:
    """The error of a reply that is JSON and not what was asked for: another attempt may bring a better one."""
    return _AgainError(message)


def _explanation(raw: bytes) -> str:
    """What a server says about a failure, from the places where servers say it."""
    try:
        value = json.loads(raw)
    except ValueError:
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and name in value:
            value = value[name]
    return value if isinstance(value, str) else json.dumps(value, allow_nan=False)


def _seconds(header: str | None) -> float | None:
    """Of a Retry-After that counts seconds."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
