"""Tokens per second: one prompt shared by all samples, compared with `generate` with as many return sequences.

`python -m benchmarks.speed.throughput [--quick]`, after `make generate`. Both write the same number of tokens after the
same prompt, none ends early. Seconds are processor seconds, so that other load on the machine does not count. The last
line is one JSON object.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks._common import MODEL_CACHE, command_line, finish, machine, print_figures
from vos.data import load_embedded
from vos.generation.language_model import LanguageModel
from vos.generation.particles import Extender, Sampling


def throughput(model: LanguageModel, shots: Sequence[str], *, quick: bool = False) -> dict[str, float]:
    """Tokens a second of both, and the ratio."""
    samples, length = (8, 8) if quick else (48, 24)
    prompt = "".join(f"- {shot}\n" for shot in shots) + "-"
    ids = torch.tensor([model.tokenizer.encode(prompt)])
    generator = torch.Generator().manual_seed(0)
    start = time.process_time()
    particles = _Endless(model.start(prompt, samples, length))
    Extender(Sampling(max_tokens=length), generator).extend(particles)
    shared = time.process_time() - start
    start = time.process_time()
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        out = model.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=200, top_p=0.95,
            num_return_sequences=samples, min_new_tokens=length, max_new_tokens=length,
        )  # fmt: skip
    plain = time.process_time() - start
    assert out.shape == (samples, ids.shape[1] + length)
    tokens = samples * length
    return {
        "samples": samples, "tokens_each": length, "prompt_tokens": ids.shape[1],
        "shared_per_second": tokens / shared, "generate_per_second": tokens / plain, "ratio": plain / shared,
    }  # fmt: skip


class _Endless:
    """Particles whose texts never end by themselves."""

    def __init__(self, particles: Any) -> None:
        self._particles = particles

    def __getattr__(self, name: str) -> Any:
        return getattr(self._particles, name)

    def __len__(self) -> int:
        return len(self._particles)

    @property
    def finished(self) -> list[bool]:
        return [False] * len(self)

    def append(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        self._particles.append(rows, tokens)
        self._particles._finished = self.finished


def main() -> None:
    """Print the table and the JSON line."""
    options = command_line(__doc__, quick="8 samples of 8 tokens").parse_args()
    torch.set_num_threads(1)
    shots = [example.text for example in load_embedded("ladder").train[:6]]
    figures = throughput(LanguageModel.load(cache=MODEL_CACHE), shots, quick=options.quick)
    print_figures(figures)
    finish(figures | {"machine": machine()})


if __name__ == "__main__":
    main()
