"""A client for completions from servers with different abilities: concurrent, cached, and with counted usage."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from vos.errors import ServerError
from vos.generation.server.replies import Completion, CompletionRequest, Reply
from vos.generation.server.request_cache import RequestCache
from vos.generation.server.transport import Transport

logger = logging.getLogger(__name__)

ROUNDS = 4
"""Number of rounds in which missing continuations are requested again, with other seeds."""

NEXT_SEED = 1_000_003
"""Difference of the seeds of two such rounds: far more than the continuations of a request."""

SEEDS = 2**31
"""Seeds are taken modulo this: some servers keep them in 32 bits with a sign."""


@dataclass(frozen=True)
class Options:
    """What one interface of a server accepts.

    Attributes:
        n: whether it returns several different continuations per request.
        seed: whether it accepts a seed.
        repeats: whether the same seed gives the same text.
        logprobs: whether it returns log-probabilities.
    """

    n: bool = True
    seed: bool = True
    repeats: bool = True
    logprobs: bool = False


@dataclass(frozen=True)
class Abilities:
    """Abilities of a server, as detected by `vos.generation.server.probe`; the two interfaces may differ.

    Attributes:
        completions: what it accepts where it continues texts; None: it continues none.
        chat: what it accepts where it follows instructions; None: it follows none.
    """

    completions: Options | None = Options()
    chat: Options | None = None

    def options(self, *, chat: bool) -> Options:
        """What the interface of a request accepts; nothing if the server does not have it."""
        found = self.chat if chat else self.completions
        return Options(n=False, seed=False, repeats=False) if found is None else found


@dataclass
class Usage:
    """Usage of a server.

    Attributes:
        requests: number of requests sent.
        cached: number of requests answered from the cache.
        prompt_tokens: number of prompt tokens, as counted by the server.
        completion_tokens: number of generated tokens.
    """

    requests: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class ServerClient:
    """A model behind a server.

    Attributes:
        transport: carries requests.
        model: its name there.
        abilities: see `Abilities`.
        cache: keeps replies to requests with a seed; None keeps none.
        concurrency: requests under way at once, at most.
        extra: further fields of every request, as the server wants them, see `CompletionRequest.body`.
        usage: see `Usage`.
    """

    transport: Transport
    model: str
    abilities: Abilities = field(default_factory=Abilities)
    cache: RequestCache | None = None
    concurrency: int = 8
    extra: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def complete(
        self,
        prompt: str,
        n: int,
        max_tokens: int,
        temperature: float,
        stop: Sequence[str] = (),
        seed: int | None = None,
        *,
        chat: bool = False,
    ) -> list[Completion]:
        """Continuations of a prompt, or answers to it.

        Args:
            prompt: see `CompletionRequest`.
            n: wanted, exactly so many come back.
            max_tokens: of each, at most.
            temperature: of sampling.
            stop: texts at which a continuation ends; they are not part of it.
            seed: of sampling; None leaves it to the server.
            chat: whether the prompt is an instruction.

        Raises:
            ServerError: the server cannot be reached, refuses, or gives no usable reply after all attempts.
        """
        request = CompletionRequest(prompt, n, max_tokens, temperature, tuple(stop), seed, chat=chat)
        return list(self.complete_all([request])[0].completions)

    def complete_all(self, requests: Sequence[CompletionRequest]) -> list[Reply]:
        """A reply with exactly `n` continuations to each request, in their order.

        Replies from before a failure are in the cache, so repeating the call continues from there.

        Raises:
            ServerError: see `complete`.
        """
        replies = [Reply((), 0, 0)] * len(requests)
        for round_number in range(ROUNDS):
            waiting = [
                (row, part)
                for row, request in enumerate(requests)
                for part in self._parts(request, len(replies[row].completions), round_number)
            ]
            for (row, _), reply in zip(waiting, self._at_once([part for _, part in waiting]), strict=True):
                replies[row] = _joined(replies[row], reply, requests[row].n)
            if all(len(reply.completions) == each.n for reply, each in zip(replies, requests, strict=True)):
                return replies
        short = next((r, q) for r, q in zip(replies, requests, strict=True) if len(r.completions) < q.n)
        raise ServerError(
            f"{self.transport.url}: {len(short[0].completions)} continuations where {short[1].n} were asked for, "
            f"after {ROUNDS} rounds"
        )

    def _parts(self, request: CompletionRequest, have: int, round_number: int) -> list[CompletionRequest]:
        """Requests for the continuations that are missing: one, or one for each where the server knows no `n`."""
        missing, seed = request.n - have, request.seed
        if missing <= 0:
            return []
        if seed is not None:
            seed = (seed + NEXT_SEED * round_number) % SEEDS
        # A server that gave too few is asked for one at a time.
        if missing == 1 or (self.abilities.options(chat=request.chat).n and round_number == 0):
            return [replace(request, n=missing, seed=seed)]
        seeds = [None if seed is None else (seed + i) % SEEDS for i in range(missing)]
        return [replace(request, n=1, seed=each) for each in seeds]

    def _at_once(self, requests: Sequence[CompletionRequest]) -> list[Reply]:
        if len(requests) <= 1:
            return [self._ask(each) for each in requests]
        with ThreadPoolExecutor(min(self.concurrency, len(requests))) as pool:
            futures = [pool.submit(self._ask, each) for each in requests]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _ask(self, request: CompletionRequest) -> Reply:
        body = request.body(self.model, self.extra) | self._options(request)
        # The seed is part of the key even where the server takes none: two draws of one prompt are two requests.
        key = body | {"n": request.n, "seed": request.seed}
        if self.cache is not None and request.seed is not None and (kept := self.cache.get(request.path, key)):
            with self._lock:
                self.usage.cached += 1
            return kept
        # `extra` may name the limit otherwise, or leave it out.
        limit = body.get("max_tokens", body.get("max_completion_tokens"))
        reply: Reply = self.transport.post(request.path, body, lambda value: Reply.from_json(value, limit))
        with self._lock:
            self.usage.requests += 1
            self.usage.prompt_tokens += reply.prompt_tokens
            self.usage.completion_tokens += reply.completion_tokens
        if self.cache is not None and request.seed is not None:
            self.cache.put(request.path, key, reply)
        return reply

    def _options(self, request: CompletionRequest) -> dict[str, Any]:
        accepted = self.abilities.options(chat=request.chat)
        options: dict[str, Any] = {}
        if request.n > 1:
            options["n"] = request.n
        if accepted.seed and request.seed is not None:
            options["seed"] = request.seed
        if accepted.logprobs:
            options["logprobs"] = True if request.chat else 1
        return options


def _joined(before: Reply, more: Reply, n: int) -> Reply:
    """Both, cut to the first n continuations; all tokens were paid for."""
    return Reply(
        (*before.completions, *more.completions)[:n],
        before.prompt_tokens + more.prompt_tokens,
        before.completion_tokens + more.completion_tokens,
    )
