import pytest
import pytorch_lightning as pl
import torch

from vos.data import ListPool, TextData, TextDataModule
from vos.errors import DataError, ShapeError
from vos.types import Example


def examples(prefix, n):
    return [Example(f"{prefix}{i}", f"{prefix} " + "word " * (i % 9), i % 2) for i in range(n)]


@pytest.fixture
def data():
    return TextData(
        examples("a", 21), examples("b", 7), examples("c", 5), ListPool([]), ("no", "yes"), [], harmful=(1,)
    )


def test_batches_carry_the_tokens_of_their_index(data, tokenizer):
    module = TextDataModule(data, tokenizer, batch_size=4, max_length=8, seed=0)
    loader = module.train_dataloader()
    seen = []
    for batch in loader:
        assert sorted(batch) == ["attention_mask", "index", "input_ids", "labels"]
        for row, i in enumerate(batch["index"].tolist()):
            ids = tokenizer(data.train[i].text, truncation=True, max_length=8)["input_ids"]
            assert batch["input_ids"][row][batch["attention_mask"][row].bool()].tolist() == ids
            assert batch["labels"][row] == data.train[i].label
            seen.append(i)
    assert len(loader) == 6
    assert sorted(seen) == list(range(21))


def test_validation_is_longest_first_every_time(data, tokenizer):
    module = TextDataModule(data, tokenizer, batch_size=3, max_length=64, seed=0)
    loader = module.val_dataloader()
    first, second = ([i for batch in loader for i in batch["index"].tolist()] for _ in range(2))
    assert first == second == list(range(6, -1, -1))  # text i has i words


def test_tokens_are_made_once(data, tokenizer):
    module = TextDataModule(data, tokenizer, batch_size=3, max_length=64, seed=0)
    first = module.train_dataloader().dataset
    assert module.train_dataloader().dataset._ids is first._ids


def test_features_in_place_of_tokens(data):
    generator = torch.Generator().manual_seed(0)
    features = {name: torch.randn(n, 3, generator=generator) for name, n in (("train", 21), ("val", 7))}
    module = TextDataModule(data, None, batch_size=4, max_length=8, seed=0, features=features)
    index = []
    for batch in module.train_dataloader():
        assert sorted(batch) == ["features", "index", "labels"]
        assert torch.equal(batch["features"], features["train"][batch["index"]])
        assert batch["labels"].tolist() == [data.train[i].label for i in batch["index"].tolist()]
        index += batch["index"].tolist()
    assert sorted(index) == list(range(21))
    assert index != list(range(21))
    assert [len(b["index"]) for b in module.val_dataloader()] == [4, 3]


def test_an_empty_split_needs_no_features(data):
    data.val = []
    features = {"train": torch.zeros(21, 3)}
    module = TextDataModule(data, None, batch_size=4, max_length=8, seed=0, features=features)
    assert list(module.val_dataloader()) == []


@pytest.mark.parametrize("wrong", [torch.zeros(20, 3), torch.zeros(21), None])
def test_features_that_do_not_fit(data, wrong):
    features = {"train": wrong, "val": torch.zeros(7, 3)}
    features = {name: value for name, value in features.items() if value is not None}
    with pytest.raises(ShapeError, match=r"features\['train'\]: expected \(21, d\)"):
        TextDataModule(data, None, batch_size=4, max_length=8, seed=0, features=features)


def test_unlabelled_texts_never_enter_a_tensor(data, tokenizer):
    data.val.append(Example("odd one", "nobody judged me"))
    with pytest.raises(DataError, match=r"val: expected a label on every text, found 1 without one .*'odd one'"):
        TextDataModule(data, tokenizer, batch_size=4, max_length=8, seed=0)


class Recorder(pl.LightningModule):
    """Records which texts it saw in which order; its loss does not matter."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3))
        self.seen = []

    def training_step(self, batch):
        self.seen.append((self.current_epoch, batch["index"].tolist()))
        return (batch["features"] * self.weight).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


@pytest.mark.filterwarnings("ignore:You passed in a `val_dataloader`")
def test_lightning_reshuffles_every_epoch(data, tmp_path):
    features = {"train": torch.ones(21, 3), "val": torch.ones(7, 3)}
    model = Recorder()
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        limit_val_batches=0,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, datamodule=TextDataModule(data, None, 4, 8, seed=0, features=features))
    epochs = [[rows for epoch, rows in model.seen if epoch == e] for e in range(3)]
    assert all(sorted(i for rows in each for i in rows) == list(range(21)) for each in epochs)
    assert len({str(each) for each in epochs}) == 3


def test_ranks_of_a_trainer_share_the_batches(data):
    features = {"train": torch.ones(21, 3), "val": torch.ones(7, 3)}
    batches = []
    for rank in range(2):
        module = TextDataModule(data, None, 4, 8, seed=0, features=features)
        module.trainer = type("T", (), {"global_rank": rank, "world_size": 2})()
        batches.append([batch["index"].tolist() for batch in module.train_dataloader()])
        assert sum(len(b["index"]) for b in module.val_dataloader()) == 7
    assert len(batches[0]) == len(batches[1]) == 6
    dealt = [i for each in batches for rows in each for i in rows]
    assert set(dealt) == set(range(21))
    assert len(dealt) == 22  # the last batch has one text, which both take
