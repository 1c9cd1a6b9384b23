"""Sampling from a causal language model: the prompt is computed once and shared by all particles.

All particles share one row of the model's batch. By an attention mask, a token attends to the prompt and to the earlier
tokens of its own particle. So the prompt's keys and values exist once for any number of particles, a finished particle
costs nothing, and resampling or truncating particles is indexing into the cache.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from vos.errors import ConfigError, ModelError
from vos.generation.bundled import BUNDLED, bundled_folder
from vos.generation.large import LARGE, large_folder
from vos.generation.particles import Cost, Extender, Sampling
from vos.generation.prompt_cache import PromptParticles
from vos.models import precision

SENTENCE_ENDS = (".", "!", "?", '."', '!"', '?"', ".'", "!'", "?'", ".”", "!”", "?”")

AUTO = "auto"
"""Value for the dtype: bfloat16 if it is faster on this processor, otherwise float32."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def settled_dtype(dtype: str, device: str, cache: Path) -> str:
    """The name in `DTYPES` to use: "auto" is resolved, any other value is returned unchanged.

    Args:
        dtype: value of the setting.
        device: "cpu" or "cuda".
        cache: folder of the models; the measured speed-up of this processor is stored next to it.

    Raises:
        ConfigError: unknown dtype.
    """
    if dtype == AUTO:
        accelerator = "cpu" if device == "cpu" else "gpu"
        return (
            "bfloat16" if precision.settled(precision.AUTO, accelerator, cache.parent) == precision.MIXED else "float32"
        )
    if dtype not in DTYPES:
        raise ConfigError(f"language_model.dtype: expected {AUTO} or one of {', '.join(DTYPES)}, got {dtype!r}")
    return dtype


class LanguageModel:
    """A causal language model that continues prompts.

    Args:
        model: a causal model of transformers whose attention takes a four-dimensional mask.
        tokenizer: its tokenizer.
        name: for messages and reports.

    Attributes:
        gives_logits: whether next-token probabilities are available.
        instructed: None, because the model only continues beginnings and gets no instructions.

    Raises:
        ModelError: the tokenizer cannot be used, or the attention does not honour the mask.
    """

    gives_logits, instructed = True, None

    def __init__(self, model: Any, tokenizer: Any, name: str = "model") -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.name = name
        self._check_tokenizer()
        self._check_mask()

    @classmethod
    def load(
        cls, name: str = BUNDLED, cache: str | Path = ".cache/models", dtype: str = AUTO, device: str = "cpu"
    ) -> LanguageModel:
        """Load a model by name.

        Args:
            name: "bundled", "large", a hub name, or a local folder in Hugging Face layout.
            cache: directory where the converted bundled or large model is stored.
            dtype: one of `DTYPES`, or "auto": bfloat16 if it is faster on this processor, otherwise float32.
            device: "cpu" or "cuda".

        Raises:
            ConfigError: unknown dtype.
            ModelError: the model or its tokenizer cannot be loaded or used.
        """
        dtype = settled_dtype(dtype, device, Path(cache))
        known = {BUNDLED: bundled_folder, LARGE: large_folder}
        location = str(known[name](Path(cache))) if name in known else name
        try:
            model = AutoModelForCausalLM.from_pretrained(location, dtype=DTYPES[dtype], trust_remote_code=False)
            tokenizer = AutoTokenizer.from_pretrained(location, trust_remote_code=False)
        except (ImportError, OSError, ValueError) as error:
            raise ModelError(
                f"cannot load the language model {name!r}: {str(error).strip().splitlines()[0]} Expected a causal "
                "model with its tokenizer: a hub name (needs a network), a local folder, 'bundled' or 'large'."
            ) from error
        return cls(model.to(device), tokenizer, name)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex, first 16 characters) of the weights; the same weights in another dtype differ."""
        digest = hashlib.sha256()
        for key, value in sorted(self.model.state_dict().items()):
            digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()[:16]

    @property
    def context(self) -> int:
        """Tokens that the model can attend to."""
        return int(getattr(self.model.config, "max_position_embeddings", 2**31))

    def encode(self, text: str) -> list[int]:
        """Tokens of a text as it would stand after a prompt, its end included."""
        return list(self.tokenizer.encode(f" {text}\n", add_special_tokens=False))

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens, up to the end of its line."""
        text = str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))
        return " ".join(text.lstrip().split("\n")[0].split())

    @functools.cache  # noqa: B019 - one model lives as long as the process
    def ends_text(self, token: int) -> bool:
        """Whether a text is over with this token: an end of line, or any special token."""
        return token in self.tokenizer.all_special_ids or "\n" in str(self.tokenizer.decode([token]))

    @functools.cache  # noqa: B019 - one model lives as long as the process
    def ends_sentence(self, token: int) -> bool:
        """Whether a sentence is over with this token."""
        return str(self.tokenizer.decode([token])).strip().endswith(SENTENCE_ENDS)

    def start(self, prompt: str, n: int, max_tokens: int) -> PromptParticles:
        """`n` empty particles after a prompt, which is computed once.

        Raises:
            ConfigError: the prompt is empty, or it and `max_tokens` do not fit into the context.
        """
        ids = list(self.tokenizer.encode(prompt))
        if not ids or len(ids) + max_tokens > self.context:
            raise ConfigError(
                f"prompt: expected 1 to {self.context - max_tokens} tokens (context {self.context} of {self.name} less "
                f"max_tokens={max_tokens}), got {len(ids)}; use fewer or shorter examples"
            )
        return PromptParticles.start(self, ids, n)

    def with_texts(self, empty: PromptParticles, texts: Sequence[str], max_tokens: int) -> PromptParticles:
        """Particles that hold given texts after the prompt of `empty`, cut at `max_tokens`."""
        return self._holding(empty, [self.encode(text)[:max_tokens] for text in texts])

    def with_beginnings(self, empty: PromptParticles, beginnings: Sequence[str]) -> PromptParticles:
        """Particles that hold the beginnings of texts after the prompt of `empty`, at a space between two words."""
        return self._holding(
            empty, [self.tokenizer.encode(f" {text}", add_special_tokens=False) for text in beginnings]
        )

    @torch.inference_mode()
    def log_probabilities(self, text: str) -> Tensor:
        """Log-probability (t,) float32 of each token of a text that stands alone at the beginning of a line.

        Raises:
            ConfigError: the text has no token, or more than fit into the context.
        """
        start = list(self.tokenizer.encode("\n", add_special_tokens=False))
        ids = list(self.tokenizer.encode(text, add_special_tokens=False))
        if not ids or len(start) + len(ids) > self.context:
            raise ConfigError(
                f"text: expected 1 to {self.context - len(start)} tokens (context of {self.name}), got {len(ids)}"
            )
        tokens = torch.tensor([start + ids], device=self.model.device)
        logits = self.model(input_ids=tokens).logits[0, len(start) - 1 : -1].float()
        found: Tensor = torch.log_softmax(logits, -1).gather(-1, tokens[0, len(start) :, None])[:, 0].cpu()
        return found

    def extender(self, sampling: Sampling, generator: torch.Generator, cost: Cost | None = None) -> Extender:
        """An extender that lengthens particles by draws from this model."""
        return Extender(sampling, generator, Cost() if cost is None else cost)

    def _holding(self, empty: PromptParticles, rows: Sequence[Sequence[int]]) -> PromptParticles:
        particles = empty.select([0] * len(rows), [0] * len(rows))
        for row, tokens in enumerate(rows):
            for token in tokens:
                if not particles.finished[row]:
                    particles.append([row], [token])
        return particles

    @torch.inference_mode()
    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor, cache: DynamicCache, last: Tensor) -> Tensor:
        """Logits (len(last), V) in float32 of the query tokens `last`; keys and values are appended to the cache.

        Args:
            tokens: (q,) token ids.
            positions: (q,) positions in the text, the prompt counted.
            mask: (q, k) whether a query sees a key, k counts cached and new tokens.
            cache: of batch size 1.
            last: (s,) query indices whose logits are wanted.
        """
        device, dtype = self.model.device, self.model.dtype
        bias = torch.zeros(mask.shape, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)
        output = self.model(
            input_ids=tokens[None].to(device),
            position_ids=positions[None].to(device),
            attention_mask=bias[None, None].to(device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=last.to(device),
        )
        logits: Tensor = output.logits[0].float()
        return logits

    def _check_tokenizer(self) -> None:
        sample = "He fell, twice."
        try:
            back = self.decode(self.encode(sample))
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            raise ModelError(f"{self.name}: its tokenizer cannot encode and decode text: {error}") from error
        if back != sample or not self.ends_text(self.encode(sample)[-1]):
            raise ModelError(
                f"{self.name}: expected a tokenizer that keeps {sample!r} and the end of its line, got {back!r}; "
                "use a causal language model with a case-keeping tokenizer that has a newline token"
            )

    def _check_mask(self) -> None:
        """Two particles side by side must give the logits that each gives alone."""
        first, second, third = (self.encode(text) for text in ("One two", "three", "four five"))
        particles = self._holding(PromptParticles.start(self, first, 1), [second[:-1], third[:-1]])
        together = particles.next_logits([0, 1]).cpu()
        for row, tokens in enumerate((second, third)):
            with torch.inference_mode():
                ids = torch.tensor([first + tokens[:-1]], device=self.model.device)
                alone = self.model(input_ids=ids).logits[0, -1].float().cpu()
            # Reduced precision rounds differently; a mask that is not honoured is off by far more.
            tolerance = 1e-3 if self.model.dtype == torch.float32 else 0.5
            if not torch.allclose(together[row], alone, atol=tolerance, rtol=tolerance):
                raise ModelError(
                    f"{self.name}: its attention does not honour a custom mask and positions (logits differ by "
                    f"{float((together[row] - alone).abs().max()):.3g}); use a model with sdpa or eager attention"
                )
