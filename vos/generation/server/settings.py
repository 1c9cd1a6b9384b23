"""Settings of a language-model server: its address and how requests are sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from vos.errors import ConfigError
from vos.generation.server.client import ServerClient
from vos.generation.server.model import ServedLanguageModel
from vos.generation.server.probe import probe
from vos.generation.server.request_cache import RequestCache
from vos.generation.server.transport import Transport
from vos.storage.secrets import check_no_secret

OURS = ("model", "prompt", "messages", "n", "seed", "stop", "stream", "logprobs")
"""Fields of a request that users cannot set."""


@dataclass(frozen=True)
class LanguageModelServer:
    """A model behind an OpenAI-compatible server; calling the object connects to it.

    Attributes:
        url: URL of the API, for example http://127.0.0.1:8000/v1.
        model: name of the model on the server.
        key_variable: name of the environment variable with the API key; null: no key is sent.
        api: "completions" continues texts, "chat" follows instructions; "auto" uses what the server offers.
        concurrency: largest number of simultaneous requests.
        timeout: seconds to wait for a reply.
        retries: number of further attempts, each after a longer wait.
        wait: seconds before the second attempt.
        extra: further fields of every request; null removes a field that would be sent.
        cache: folder in which replies are stored; null: they are not stored.
    """

    url: str
    model: str
    key_variable: str | None = None
    api: Literal["auto", "completions", "chat"] = "auto"
    concurrency: int = 8
    timeout: float = 120.0
    retries: int = 5
    wait: float = 1.0
    extra: Mapping[str, Any] = field(default_factory=dict)
    cache: str | Path | None = None

    gives_logits = False  # a server only returns text

    def __post_init__(self) -> None:
        check_no_secret("language_model.", self.url, "key_variable", self.key_variable)
        try:
            parts = urlsplit(self.url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            fits = False
        if not fits:
            raise ConfigError(f"language_model.url: expected http://HOST:PORT/v1 or https://..., got {self.url!r}")
        if not self.model.strip():
            raise ConfigError("language_model.model: expected the name of a model, got an empty one")
        if self.api not in ("auto", "completions", "chat"):
            raise ConfigError(f"language_model.api: expected auto, completions or chat, got {self.api!r}")
        if self.concurrency < 1 or self.retries < 0 or self.timeout <= 0 or self.wait < 0:
            raise ConfigError(
                "language_model: expected concurrency >= 1, timeout > 0, retries and wait >= 0, got "
                f"{self.concurrency}, {self.timeout}, {self.retries}, {self.wait}"
            )
        if mine := sorted(set(self.extra) & set(OURS)):
            raise ConfigError(f"language_model.extra: {', '.join(mine)} cannot be set there")

    def __call__(self) -> ServedLanguageModel:
        """Connect and detect the abilities of the server.

        Raises:
            ConfigError: the variable of the key is not set.
            ServerError: see `probe`.
        """
        return ServedLanguageModel(self.client())

    def client(self) -> ServerClient:
        """A client that knows what its server can do; see `__call__`."""
        transport = self._transport()
        try:
            abilities = probe(transport, self.model, self.api, self.extra)
        except BaseException:
            transport.close()
            raise
        cache = None if self.cache is None else RequestCache(self.cache, transport.url)
        return ServerClient(transport, self.model, abilities, cache, self.concurrency, dict(self.extra))

    def check(self) -> None:
        """Check that the server can be used, without storing anything; see `__call__`."""
        transport = self._transport()
        try:
            probe(transport, self.model, self.api, self.extra)
        finally:
            transport.close()

    def _transport(self) -> Transport:
        key = None
        if self.key_variable is not None:
            key = os.environ.get(self.key_variable, "").strip()
            if not key or not key.isascii() or not key.isprintable():
                raise ConfigError(
                    f"language_model.key_variable={self.key_variable}: this environment variable is not set, or holds "
                    f"no key; set it with: export {self.key_variable}=..."
                )
        return Transport(
            self.url, key, f"the key in {self.key_variable}", timeout=self.timeout, retries=self.retries, wait=self.wait
        )
