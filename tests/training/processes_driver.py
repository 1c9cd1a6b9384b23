"""Trains in one process or two, and saves the stored features and the learned weights.

python processes_driver.py ENCODER STRATEGY OUTPUT
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
from vos.training.sharding import SHARDED, register, trainee

D, BATCH = 16, 6
# Memory, texts, epochs, whether the encoder learns. 24 texts in batches of 6 fill every step. Of 27, the last step has
# 3 texts: two for one process, one for the other. Of 25 it has one, which both take: a queue counts such a text twice,
# the bank does not. The bank is full after the first epoch, and the density is fitted anew in every step of the second.
# A queue takes each text once an epoch, so one epoch is compared.
CASES = {
    "bank-24": ("bank", 24, 2, False),
    "bank-25": ("bank", 25, 2, False),
    "bank-27": ("bank", 27, 2, False),
    "queue-27": ("queue", 27, 1, False),
    "encoder-27": ("bank", 27, 2, True),
}


STRATEGIES = {"auto": 1, "ddp_find_unused_parameters_true": 2, SHARDED: 2}
"""Processes of each."""


def main(encoder: str, strategy: str, output: str) -> None:
    register()
    for name, (memory, n, epochs, learns) in CASES.items():
        if strategy == SHARDED and not learns:
            continue
        torch.manual_seed(0)
        module = build(encoder, memory=memory, freeze=not learns, refit_every=1, n_texts=n, capacity=n)
        for part in module.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0  # each process has a mask of its own
        data = TextData(
            toy_examples(n), toy_examples(8, "v", 40), toy_examples(8, "w", 60), ListPool([]), NAMES, [], harmful=(1,)
        )
        generator = torch.Generator().manual_seed(0)
        features = {"train": torch.randn(n, D, generator=generator) + torch.arange(n)[:, None] % 2}
        features |= {name: torch.randn(8, D, generator=generator) for name in ("val", "test")}
        texts = TextDataModule(
            data, module.classifier.tokenizer, BATCH, max_length=32, seed=0, features=None if learns else features
        )
        trainer = pl.Trainer(
            max_epochs=epochs, accelerator="cpu", devices=STRATEGIES[strategy], strategy=strategy, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
            use_distributed_sampler=False, gradient_clip_val=0.5,
        )  # fmt: skip
        module = trainee(module, trainer)
        trainer.fit(module, datamodule=texts)
        assert trainer.global_step == epochs * -(-n // BATCH)
        found, labels = module.memory.contents()
        kept = {f"density.{key}": buffer for key, buffer in module.density.named_buffers()}
        kept |= {f"head.{key}": weight.detach() for key, weight in module.classifier.head.named_parameters()}
        kept |= {f"loss.{key}": weight.detach() for key, weight in module.regularizer.named_parameters()}
        kept |= {"features": found, "labels": labels, "texts": features["train"]}
        save_file(kept, Path(output) / f"{name}-{strategy}-{trainer.global_rank}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
