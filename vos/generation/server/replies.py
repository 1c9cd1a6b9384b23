"""Completion requests and replies of a server, for its two interfaces: completions and chat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from vos.generation.server.transport import unusable

CUT, ENDED, UNKNOWN = "length", "stop", "unknown"
"""Finish reasons: of a truncated text, of one that ended by itself, and of a text without a reason."""

THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
"""Reasoning that some models write before their answer."""


class Completion(NamedTuple):
    """One continuation of a prompt.

    Attributes:
        text: the continuation, without the prompt.
        finish_reason: as reported by the server: "stop" if it ended by itself or at a stop text, "length" if truncated;
            a reason that is not reported follows from the number of tokens.
        logprobs: log-probabilities of its tokens, nats; None if the server does not return them.
    """

    text: str
    finish_reason: str
    logprobs: tuple[float, ...] | None


@dataclass(frozen=True)
class CompletionRequest:
    """A request to a server.

    Attributes:
        prompt: text to continue, or, in a chat, the user's message.
        n: number of continuations.
        max_tokens: largest number of tokens of each.
        temperature: sampling temperature.
        stop: texts at which a continuation ends.
        seed: sampling seed; None: chosen by the server, and the reply is not cached.
        top_p: nucleus sampling threshold.
        chat: whether the prompt is an instruction instead of a beginning.
    """

    prompt: str
    n: int
    max_tokens: int
    temperature: float
    stop: tuple[str, ...] = ()
    seed: int | None = None
    top_p: float = 1.0
    chat: bool = False

    @property
    def path(self) -> str:
        """Path relative to the address of the server."""
        return "/chat/completions" if self.chat else "/completions"

    def body(self, model: str, extra: Mapping[str, Any]) -> dict[str, Any]:
        """The request as JSON, with fields that most servers accept; the client adds `n`, seed and log-probabilities.

        Args:
            model: name of the model.
            extra: further fields; a field that is None is omitted.
        """
        messages = [{"role": "user", "content": self.prompt}]
        body: dict[str, Any] = {"model": model, **({"messages": messages} if self.chat else {"prompt": self.prompt})}
        body |= {"max_tokens": self.max_tokens, "temperature": self.temperature}
        if self.top_p < 1:
            body["top_p"] = self.top_p
        body |= {"stop": list(self.stop)} if self.stop else {}
        return {name: value for name, value in (body | dict(extra)).items() if value is not None}


@dataclass(frozen=True)
class Reply:
    """The continuations of one request, and their cost.

    Attributes:
        completions: all continuations that the server returned.
        prompt_tokens: number of tokens read, as counted by the server; 0 if it does not count them.
        completion_tokens: number of tokens written; if the server does not count them, the number of
            log-probabilities, or else a quarter of the characters.
    """

    completions: tuple[Completion, ...]
    prompt_tokens: int
    completion_tokens: int

    @classmethod
    def from_json(cls, value: Any, max_tokens: int | None = None) -> Reply:
        """Parse a JSON value of either interface.

        Args:
            value: the JSON value.
            max_tokens: largest number of tokens of each continuation. Where the server gives no finish reason, one with
                so many is truncated, and one with fewer has ended; None: its reason stays "unknown".

        Raises:
            ServerError: the value is not a reply.
        """
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(choices, list) or not choices or not all(isinstance(each, dict) for each in choices):
            raise unusable("the server's reply holds no choices; is this an OpenAI-compatible API?")
        completions = tuple(map(_completion, choices))
        usage = value.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        written = _count(usage.get("completion_tokens"))
        if written is None:
            written = sum(_tokens(each) for each in completions)
        if max_tokens is not None:
            exact = written if len(completions) == 1 else None
            completions = tuple(_with_reason(each, max_tokens, exact) for each in completions)
        return cls(completions, _count(usage.get("prompt_tokens")) or 0, written)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Reply:
        """Restore a reply from the JSON of its `asdict`."""
        completions = (
            Completion(text, reason, None if found is None else tuple(found))
            for text, reason, found in row["completions"]
        )
        return cls(tuple(completions), row["prompt_tokens"], row["completion_tokens"])


def _completion(choice: Mapping[str, Any]) -> Completion:
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if isinstance(message, dict):
        text = THOUGHTS.sub("", text or "") if isinstance(text, str | None) else text
    if not isinstance(text, str):
        raise unusable("the server's reply holds a choice without a text; is this an OpenAI-compatible API?")
    return Completion(text, str(choice.get("finish_reason") or UNKNOWN), _logprobs(choice.get("logprobs")))


def _with_reason(completion: Completion, max_tokens: int, written: int | None) -> Completion:
    """The completion with the finish reason that its number of tokens implies, if it has none."""
    if completion.finish_reason != UNKNOWN:
        return completion
    n = written if written is not None and completion.logprobs is None else _tokens(completion)
    return completion._replace(finish_reason=CUT if completion.text and n >= max_tokens else ENDED)


def _logprobs(found: Any) -> tuple[float, ...] | None:
    """Parse either form: a list of numbers, or a list of tokens with their log-probabilities."""
    if not isinstance(found, dict):
        return None
    content, plain = found.get("content"), found.get("token_logprobs")
    values = [each.get("logprob") for each in content if isinstance(each, dict)] if isinstance(content, list) else plain
    if not isinstance(values, list) or not all(isinstance(each, int | float) for each in values):
        return None
    return tuple(map(float, values))


def _tokens(completion: Completion) -> int:
    return len(completion.logprobs) if completion.logprobs is not None else -(-len(completion.text) // 4)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
