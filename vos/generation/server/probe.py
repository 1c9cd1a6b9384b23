"""Probes the abilities of a server before any work: its interfaces, `n`, seeds and log-probabilities."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vos.errors import ServerError
from vos.generation.server.client import Abilities, Options
from vos.generation.server.replies import UNKNOWN, CompletionRequest, Reply
from vos.generation.server.transport import RefusedError, Transport, UnreachableError

logger = logging.getLogger(__name__)

BEGINNING, INSTRUCTION = "Once upon a time there was a", "Write eight unrelated words, at random."
"""Prompts of the probe; their continuation is open, so that two samples are almost never equal."""

TOKENS, SEEDS = 20, (11, 12, 13)

OPTIONAL = ("logprobs", "n", "seed")
"""Fields that a server may refuse, in the order in which they are omitted."""

NO_SUCH_PLACE = (404, 405, 501)

NAMES_SHOWN = 8

ONE_MODEL = "llamacpp"
"""Owner of the models that llama.cpp lists: it serves one model, which answers to any name."""


def probe(transport: Transport, model: str, api: str = "auto", extra: Mapping[str, Any] | None = None) -> Abilities:
    """Probe the abilities of a server with about six short requests for each interface.

    Args:
        transport: transport to the server.
        model: name of the model on the server.
        api: "completions", "chat", or "auto" for the available one.
        extra: further fields of every request.

    Raises:
        ServerError: it cannot be reached, refuses the key, does not have the model, uses another protocol, or returns
            the same text for different seeds.
    """
    names, one_for_all = _names(transport)
    if one_for_all and not _is_among(model, names):
        raise _unknown(transport, model, names)
    found: dict[bool, Options] = {}
    for chat in {"completions": [False], "chat": [True]}.get(api, [False, True]):
        try:
            found[chat] = _Probe(transport, model, chat, extra or {}).run()
        except RefusedError as error:
            if error.status in (401, 403):
                raise
            if api != "auto" or (chat and not found):
                raise _refusal(transport, model, names, error) from error
    if names and not _is_among(model, names):
        logger.warning("%s: lists %s, and answers as %r all the same", transport.url, _in_words(names), model)
    return Abilities(found.get(False), found.get(True))


@dataclass(frozen=True)
class _Probe:
    """The probe of one interface."""

    transport: Transport
    model: str
    chat: bool
    extra: Mapping[str, Any]

    def run(self) -> Options:
        first, taken = self._first()
        more = [self._ask({**taken, "seed": seed} if "seed" in taken else taken, 1) for seed in SEEDS[1:]]
        texts = [reply.completions[0].text for reply in (first, *more)]
        choices = [each.text for each in first.completions]
        if len({*texts, *choices}) == 1:
            raise ServerError(
                f"{self.transport.url}: {self.model} gives the same text whatever the seed: it does not sample; let it "
                '(transformers serve: "do_sample": true in the model\'s generation_config.json)'
            )
        several = "n" in taken and len(choices) == taken["n"] and len(set(choices)) == len(choices)
        # Without reasons only the tokens of each text tell which of them ended.
        counted = first.completions[0].logprobs is not None
        several &= counted or all(each.finish_reason != UNKNOWN for each in first.completions)
        repeats = "seed" in taken and self._ask(taken, taken.get("n", 1)).completions[0].text == texts[0]
        has_logprobs = "logprobs" in taken and counted
        return Options(several, "seed" in taken, repeats, has_logprobs)

    def _first(self) -> tuple[Reply, dict[str, Any]]:
        """A reply with as many optional fields as the server accepts, and these fields."""
        fields: dict[str, Any] = {"logprobs": True if self.chat else 1, "n": 2, "seed": SEEDS[0]}
        left_out: Sequence[str] = ()
        while True:
            taken = {name: value for name, value in fields.items() if name not in left_out}
            try:
                return self._ask(taken, taken.get("n", 1)), taken
            except RefusedError as error:
                if error.status in (401, 403, *NO_SUCH_PLACE) or len(left_out) == len(OPTIONAL):
                    raise
                left_out = OPTIONAL[: len(left_out) + 1]

    def _ask(self, fields: Mapping[str, Any], n: int) -> Reply:
        request = CompletionRequest(INSTRUCTION if self.chat else BEGINNING, n, TOKENS, 1.0, chat=self.chat)
        fields = {name: value for name, value in fields.items() if name != "n" or n > 1}
        reply: Reply = self.transport.post(
            request.path, request.body(self.model, self.extra) | dict(fields), Reply.from_json
        )
        return reply


def _names(transport: Transport) -> tuple[list[str], bool]:
    """Models that the server lists, empty if it has no list; and whether it uses one model for any name."""
    try:
        value = transport.get("/models")
    except UnreachableError:
        raise
    except RefusedError as error:
        if error.status in (401, 403):
            raise
        return [], False
    except ServerError:
        return [], False
    rows = value.get("data") if isinstance(value, dict) else None
    listed = [row for row in rows if isinstance(row, dict) and "id" in row] if isinstance(rows, list) else []
    return [str(row["id"]) for row in listed], bool(listed) and all(row.get("owned_by") == ONE_MODEL for row in listed)


def _refusal(transport: Transport, model: str, names: Sequence[str], error: RefusedError) -> ServerError:
    if names and not _is_among(model, names):
        return _unknown(transport, model, names)
    if error.status in NO_SUCH_PLACE and not names:
        return ServerError(f"{error}; expected an address that ends in /v1, and a model that is there (now {model!r})")
    return error


def _unknown(transport: Transport, model: str, names: Sequence[str]) -> ServerError:
    return ServerError(
        f"{transport.url}: does not have the model {model!r}, it has {_in_words(names)}; correct language_model.model"
    )


def _is_among(model: str, names: Sequence[str]) -> bool:
    """Whether the name is listed; a default tag may be omitted."""
    return bool({model, f"{model}:latest"} & set(names))


def _in_words(names: Sequence[str]) -> str:
    shown = ", ".join(repr(each[:80]) for each in names[:NAMES_SHOWN])
    return f"{shown} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else shown
