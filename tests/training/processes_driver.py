"""Trains on features that stay as they are, in one process or two, and saves what is remembered.

python processes_driver.py ENCODER PROCESSES OUTPUT
"""

import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conftest import toy_examples
from tests.training.modules import NAMES, build
from vos.data import ListPool, TextData, TextDataModule

D = 16
# Memory, texts, epochs. 24 texts in batches of 6 fill every step. Of 27, the last batch has 3, beside a full one in the
# other process, and the step that lacks a batch repeats one: a queue counts such texts twice, the bank does not.
# The bank is full after the first epoch, and the density is fitted anew in every step of the second. A queue takes each
# text once an epoch, so one epoch is compared.
CASES = {"bank-24": ("bank", 24, 2), "bank-27": ("bank", 27, 2), "queue-24": ("queue", 24, 1)}


def main(encoder: str, processes: int, output: str) -> None:
    for name, (memory, n, epochs) in CASES.items():
        module = build(encoder, memory=memory, freeze=True, refit_every=1, n_texts=n, capacity=n)
        data = TextData(
            toy_examples(n), toy_examples(8, "v", 40), toy_examples(8, "w", 60), ListPool([]), NAMES, [], harmful=(1,)
        )
        generator = torch.Generator().manual_seed(0)
        features = {"train": torch.randn(n, D, generator=generator) + torch.arange(n)[:, None] % 2}
        features |= {name: torch.randn(8, D, generator=generator) for name in ("val", "test")}
        texts = TextDataModule(data, module.classifier.tokenizer, 6, max_length=32, seed=0, features=features)
        trainer = pl.Trainer(
            max_epochs=epochs, accelerator="cpu", devices=processes, logger=False, enable_checkpointing=False,
            strategy="ddp_find_unused_parameters_true" if processes > 1 else "auto", enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False,
        )  # fmt: skip
        trainer.fit(module, datamodule=texts)
        assert trainer.global_step == epochs * -(-n // (6 * processes))
        found, labels = module.memory.contents()
        kept = {f"density.{key}": buffer for key, buffer in module.density.named_buffers()}
        kept |= {"features": found, "labels": labels, "texts": features["train"]}
        save_file(kept, Path(output) / f"{name}-{processes}-{trainer.global_rank}.safetensors")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
