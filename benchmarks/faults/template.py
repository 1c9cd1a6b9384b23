"""The folder from which every unit starts: a few texts, a tiny encoder, a tiny language model, a finished run."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from benchmarks.faults.programs import Ended, forked, program

WORDS = (
    ("the ladder leaned on the wall", "she poured the oil", "both of them cooked with gas"),
    ("the ladder fell and he broke his arm", "she was burned by the oil", "gas made both of them ill"),
)
SIZES = {"train": (48, 0), "val": (24, 100), "test": (16, 200), "pool": (60, 300)}

CACHE = "paths.cache=cache"

SETTINGS = (
    *("data=files", "data.text=comment", "data.label=toxic", "data.id=key", "data.positive=yes"),
    *(f"data.{name}={name}.csv" for name in SIZES),
    *("model.name=encoder", "model.max_length=32", "loader.batch_size=8", "trainer.max_epochs=2"),
    *("refine.rounds=1", "refine.n_outliers=10", "refine.tolerance=-1", "callbacks=quiet", "callbacks.patience=-1"),
    *("logger=csv", "precision=32-true", "outliers.distance=null", CACHE),
)
"""Of a training of a second."""

BATCH = (
    *("run=base", "n=10", "outliers.distance=null", "progress=false", CACHE, "candidates.targets_per_class=8"),
    *("candidates.n_directions=4", "candidates.selection.max_distance=50", "candidates.selection.near_duplicate=1.0"),
    *("candidates.selection.max_cosine=null", "candidates.potential.delta=5"),
)
"""Of a batch of a second."""

LANGUAGE_MODEL = ("language_model=local", "language_model.name=writer", "language_model.dtype=float32")


class SetupError(RuntimeError):
    """What a unit starts from could not be made."""


def expect(ended: Ended, what: str) -> Ended:
    """The process, where it ended well.

    Raises:
        SetupError: it did not.
    """
    if ended.code != 0:
        raise SetupError(f"{what}: code {ended.code}\n{ended.said}")
    return ended


def make_template(folder: Path) -> Path:
    """The folder, made where there is none: whole or absent."""
    if folder.exists():
        return folder
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for name, (n, start) in SIZES.items():
        _write_texts(making / f"{name}.csv", n, start)
    expect(forked(lambda: _make_models(making), making), "tiny models")
    expect(program(["train", *SETTINGS, "hydra.run.dir=base"], making), "the run to start from")
    expect(program(["synthesize", *BATCH, "labeling=page", "ledger=ledger.sqlite", "output=asked"], making), "a batch")
    expect(forked(lambda: _answer(making), making), "answers")
    making.rename(folder)
    return folder


def fresh(template: Path, folder: Path) -> Path:
    """A copy of the template in place of whatever was in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    return folder


def text_of(i: int) -> str:
    """A text of one of six patterns; every one is different."""
    return f"on day {i} {WORDS[i % 2][(i // 2) % 3]}, said number {i * 7}"


def _write_texts(path: Path, n: int, start: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["comment", "toxic", "key"])
        writer.writerows([text_of(i), ("no", "yes")[i % 2], f"k{i}"] for i in range(start, start + n))


def _make_models(folder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    from vos.models.encoder import model_location

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(model_location("bundled"))
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=tokenizer.vocab_size, max_position_embeddings=64, **size)).save_pretrained(
        folder / "encoder"
    )
    tokenizer.save_pretrained(folder / "encoder")
    _make_writer(folder / "writer", [text_of(i) for i in range(1000, 1600)])


def _make_writer(folder: Path, texts: list[str]) -> None:
    """A language model of a few layers that has read the patterns: enough to write like them."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    lines = "".join(f" {text}\n" for text in texts)
    trainer = trainers.BpeTrainer(vocab_size=480, special_tokens=["<end>"], initial_alphabet=alphabet)
    raw.train_from_iterator([lines], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>", pad_token="<end>")  # noqa: S106
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=2048, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    ids = torch.tensor(tokenizer.encode(lines))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        starts = torch.randint(len(ids) - 96, (8,))
        rows = torch.stack([ids[start : start + 96] for start in starts.tolist()])
        model(input_ids=rows, labels=rows).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _answer(folder: Path) -> None:
    """Answers to the batch that was asked, as a page downloads them."""
    from vos.labeling import Ledger, write_labels
    from vos.labeling.label import Label, exact_hash

    with Ledger(folder / "ledger.sqlite") as ledger:
        asked = ledger.asked()
        texts = {event.uid: ledger.text(event.uid) or "" for event in asked}
        labels = [
            Label(
                event.uid, who, "yes" if any(word in texts[event.uid] for word in ("fell", "burned", "ill")) else "no",
                "2027-01-01T10:00:00Z", tool="page", batch_id=str(event.batch), text_hash=exact_hash(texts[event.uid]),
            )
            for event in asked for who in ("ann", "bob")
        ]  # fmt: skip
    write_labels(folder / "answers.jsonl", labels)
