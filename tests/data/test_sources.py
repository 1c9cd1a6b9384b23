import logging
import tracemalloc

import pytest

from vos.data import load_files
from vos.errors import ConfigError, DataError
from vos.storage.text_ids import text_uid


def test_shares_are_cut_from_train(write, rows):
    data = load_files(write("a.jsonl", rows(200)), val_share=0.1, test_share=0.2, pool_share=0.3)
    pool = list(data.pool)
    assert (len(data.train), len(data.val), len(data.test), len(pool)) == (80, 20, 40, 60)
    assert all(example.label is None for example in pool)
    assert all(example.id == text_uid(example.text) for example in data.train)
    assert data.label_names == ("fine", "hate")
    assert {data.label_names[e.label] for e in data.train if int(e.text.split()[-1]) % 2} == {"hate"}
    assert data.ood == []


def test_given_files_are_not_cut(write, rows):
    train = write("a.jsonl", rows(40))
    val = write("b.jsonl", [{"text": f"val {i}", "label": ["hate", "fine"][i % 2]} for i in range(6)])
    data = load_files(train, val=val, test_share=0.0, positive="fine")
    assert (len(data.train), len(data.val), len(data.test), data.pool.size) == (40, 6, 0, 0)
    assert data.label_names == ("hate", "fine")
    assert [e.label for e in data.val] == [0, 1] * 3
    data = load_files(train, val=val)
    assert len(data.test) == 6


def test_seed_decides_the_cut(write, rows):
    path = write("a.jsonl", rows(100))
    prints = [load_files(path, seed=seed).fingerprint() for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("labels", "column", "question"),
    [
        (("yes", "no"), "rude", "Which answer fits this text best for “rude”?"),
        ((0, 1), "rude", "Which answer fits this text best for “rude”?"),
        (("rude", "fine"), "label", ""),  # the names of the classes say it
        (("yes", "no"), "rude\nor not", ""),
    ],
)
def test_bare_answers_are_asked_for_with_the_name_of_their_column(write, labels, column, question):
    path = write("a.jsonl", [{"text": f"text {i}", column: labels[i % 2]} for i in range(40)])
    settings = {"label": column, "positive": labels[0]}
    assert load_files(path, **settings).question == question
    own = load_files(path, **settings, question="Is it rude?")
    assert own.question == "Is it rude?"
    assert own.fingerprint() == load_files(path, **settings).fingerprint()


def test_groups_and_pairs_reach_the_examples_and_stay_whole(write):
    rows = [{"text": f"t {i}", "label": i % 2, "thread": i // 4, "twin": f"p{i // 2}"} for i in range(80)]
    data = load_files(write("a.jsonl", rows), group="thread", pair="twin")
    homes = {}
    for name in ("train", "val", "test"):
        for example in getattr(data, name):
            assert example.pair is not None
            homes.setdefault(example.group, set()).add(name)
    assert len(homes) == 20
    assert all(len(names) == 1 for names in homes.values())


def test_limit_reads_the_first_rows_of_each_file(write, rows):
    path = write("a.jsonl", rows(40))
    pool = write("p.jsonl", [{"text": f"pool {i}"} for i in range(9)])
    with path.open("a") as file:
        file.write("not json\n")
    data = load_files(path, pool=pool, limit=20)
    assert len(data.train) + len(data.val) + len(data.test) == 20
    assert len(list(data.pool)) == 9
    assert len(list(load_files(path, pool=pool, limit=40).pool)) == 9
    with pytest.raises(DataError, match=r":41: .*column 1: not JSON"):
        load_files(path, pool=pool)


def test_a_pool_streams_afresh_and_its_labels_are_not_read(write, rows):
    pool = write("p.csv", "text,label\na,\nb,unheard of\nb,other\n")
    data = load_files(write("a.jsonl", rows()), pool=pool, pool_share=0.5)
    assert [(e.text, e.label) for e in data.pool] == [(e.text, e.label) for e in data.pool]
    assert [e.text for e in data.pool] == ["a", "b", "b"]
    assert data.pool.size is None
    assert len(data.train) + len(data.val) + len(data.test) == 40  # pool_share is for runs without a pool file


def test_memory_does_not_grow_with_the_pool(write, rows):
    pool = write("p.jsonl", "".join(f'{{"text": "pool {i} {"x" * 200}"}}\n' for i in range(20_000)))
    data = load_files(write("a.jsonl", rows()), pool=pool)
    tracemalloc.start()
    assert sum(1 for _ in data.pool) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # the file holds 4.3 MB


def test_bad_rows_of_a_pool(write, rows, caplog):
    train = write("a.jsonl", rows())
    pool = write("p.csv", 'text\na\n" "\nb\n" "\n')
    data = load_files(train, pool=pool)
    iterator = iter(data.pool)
    assert next(iterator).text == "a"
    with pytest.raises(DataError, match="column 'text': found white space only") as caught:
        list(iterator)
    assert f"{pool}:3:" in str(caught.value)
    with caplog.at_level(logging.WARNING):
        assert [e.text for e in load_files(train, pool=pool, on_bad_row="skip").pool] == ["a", "b"]
    assert f"{pool}: left out 2 bad rows of the pool" in caplog.text
    last = write("q.csv", 'text\na\n" "\n')
    with pytest.raises(DataError, match=":3: column 'text'"):
        list(load_files(train, pool=last).pool)


def test_a_wrong_pool_shows_before_the_run(write, rows):
    train = write("a.jsonl", rows())
    with pytest.raises(DataError, match=r"p\.csv: expected a column 'text', found the columns \['texts'\]"):
        load_files(train, pool=write("p.csv", "texts\na\n"))
    with pytest.raises(DataError, match=r"q\.csv: expected at least one row of data"):
        load_files(train, pool=write("q.csv", ""))


def test_ood_texts(write, rows):
    train = write("a.jsonl", rows())
    data = load_files(train, ood=write("o.csv", "text\nfar\naway\n"))
    assert [(e.text, e.label) for e in data.ood] == [("far", None), ("away", None)]
    with pytest.raises(DataError, match=r"o\.csv:3: column 'text': found white space only"):
        load_files(train, ood=write("o.csv", 'text\nfar\n" "\n'))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_share": -0.1}, "expected 0 or more each and a sum below 1"),
        ({"val_share": 0.5, "test_share": 0.5}, "expected 0 or more each and a sum below 1"),
        ({"val_share": 0}, "val_share: expected more than 0"),
        ({"positive": "nobody"}, "positive: expected classes of"),
    ],
)
def test_options_that_cannot_work(write, rows, options, message):
    with pytest.raises(ConfigError, match=message):
        load_files(write("a.jsonl", rows()), **options)
