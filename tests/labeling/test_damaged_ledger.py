"""A truncated ledger, or one with a flipped bit, is refused in one line; it never returns a wrong answer."""

import re
import sqlite3

import pytest

from vos.errors import LedgerError
from vos.labeling import Label, Ledger, text_uid
from vos.labeling.item import Item
from vos.labeling.ledger_schema import LEDGER_VERSION

TEXTS = [f"text {i} of a ladder" for i in range(40)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.propose([Item(text, {"forum": "roofers"}) for text in TEXTS])
        ledger.export("b0", "page", [text_uid(text) for text in TEXTS])
        for text in TEXTS:
            ledger.record_label(Label(text_uid(text), "ann", "harmful", "2026-11-21T10:00:00Z", comment=f"why {text}"))
    return path


def content(path):
    with Ledger(path) as ledger:
        return ledger.events(), ledger.items(), [ledger.text(text_uid(text)) for text in TEXTS]


def test_no_flipped_bit_and_no_cut_gives_another_answer(path):
    whole, expected = path.read_bytes(), content(path)
    told = 0
    places = [*range(0, len(whole), 97)]
    for place in places:
        for changed in (whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :], whole[: max(1, place)]):
            for beside in ("-wal", "-shm"):
                path.with_name(path.name + beside).unlink(missing_ok=True)
            path.write_bytes(changed)
            try:
                found = content(path)
            except LedgerError:
                told += 1
            else:
                assert found == expected, place
    assert told > len(places)


def test_a_ledger_of_before_there_were_sums_is_read_and_written_on(path, tmp_path):
    old = tmp_path / "old.sqlite"
    connection, now = sqlite3.connect(old), sqlite3.connect(path)
    for (statement,) in now.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"):
        connection.execute(re.sub(r",(  -- the payload, JSON)?\s+crc INTEGER", "", statement))
    for row in now.execute("SELECT uid, text, round, record FROM items"):
        connection.execute("INSERT INTO items VALUES (?, ?, ?, ?)", row)
    for row in now.execute("SELECT seq, key, at, kind, uid, batch, who, payload FROM events ORDER BY seq"):
        connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.execute(f"PRAGMA user_version = {LEDGER_VERSION}")
    connection.commit()
    assert "crc" not in str(connection.execute("SELECT sql FROM sqlite_master").fetchall())
    connection.close()
    now.close()
    assert content(old) == content(path)
    with Ledger(old) as ledger:
        assert ledger.record_label(Label(text_uid(TEXTS[0]), "bob", "harmless", "2026-11-21T10:00:00Z"))
        assert not ledger.record_label(Label(text_uid(TEXTS[0]), "bob", "harmless", "2026-11-21T10:00:00Z"))
        assert len(ledger.labels()) == len(TEXTS) + 1


@pytest.mark.parametrize("size", [0, 1, 511])
def test_an_empty_file_is_no_new_ledger(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(LedgerError, match=f"it has {size} bytes, and no ledger has so few; restore a copy"):
        Ledger(path)


def test_a_large_ledger_is_checked_where_it_is_read(path, monkeypatch):
    monkeypatch.setattr("vos.labeling.ledger_schema.CHECKED_MIB", 0)
    whole = path.read_bytes()
    place = whole.index(b"why text 7 of")
    path.write_bytes(whole[:place] + b"W" + whole[place + 1 :])
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="a row is not what was written"):
        ledger.labels()
