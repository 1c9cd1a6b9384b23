"""The ledger: an append-only history of every text from proposed to trained, in one SQLite file per project."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from vos.errors import LedgerError
from vos.labeling.delivery import counted, unsent
from vos.labeling.instructions import Instructions
from vos.labeling.item import Item, LedgerItem
from vos.labeling.label import SKIP, Label, exact_hash, label_from_dict, now
from vos.labeling.ledger_schema import NEW_EVENT, Event, checked_rows, connect, row_sum
from vos.labeling.records import BoundaryRecord
from vos.labeling.state import newest_answers
from vos.storage.json_files import finite

Purpose = Literal["label", "agreement", "adjudicate", "gold"]
"""Purpose of asking: for the first time, again to measure agreement, again to settle the text, or as a gold text."""


@dataclass(frozen=True)
class ExportedBatch:
    """The texts of a batch that may be shown, and those held back.

    Attributes:
        uids: uids of the texts to show, in the requested order.
        held_back: uid to the reason why it is not asked again.
    """

    uids: tuple[str, ...]
    held_back: Mapping[str, str]


class Ledger:
    """An event log from which the state is derived. Safe for several processes at once.

    Each writing method is one transaction: when it returns, its events are synced to disk; if the process dies before,
    none of them is stored.

    Args:
        path: path of the SQLite file; created if missing.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from vos.labeling.consensus import consensus
        >>> item = Item("the ladder slipped", {"forum": "roofers"})
        >>> with TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite") as ledger:
        ...     new = ledger.propose([item])
        ...     told = [ledger.record_label(Label(item.uid, person, "harmful")) for person in ("ann", "bob")]
        ...     new, told, consensus(ledger).labels == {item.uid: "harmful"}
        (1, [True, True], True)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._connection = connect(self.path)
        self._depth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """Context in which all writes are stored together, or none; with `keep=False` they are rolled back.

        Raises:
            LedgerError: an error of SQLite, for example a full disk; nothing of the transaction is stored.
        """
        if self._depth:
            yield
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            yield
            self._connection.execute("COMMIT" if keep else "ROLLBACK")
        except sqlite3.Error as error:
            raise LedgerError(
                f"{self.path}: {error}; nothing of this step was kept, everything before it is; "
                "free the disk or end the other process, then repeat the command"
            ) from error
        finally:
            self._depth = 0
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def append(
        self,
        kind: str,
        uid: str,
        key: str,
        payload: Mapping[str, Any],
        *,
        batch: str | None = None,
        who: str | None = None,
    ) -> bool:
        """Write one event; False if an event of this kind and key exists."""
        return self._insert(kind, uid, key, json.dumps(finite(payload), allow_nan=False), batch, who)

    def _insert(self, kind: str, uid: str, key: str, payload: str, batch: str | None, who: str | None) -> bool:
        if not self._depth:
            with self.transaction():
                return self._insert(kind, uid, key, payload, batch, who)
        row = (now(), kind, uid, batch, who, payload)
        return self._connection.execute(NEW_EVENT, (f"{kind}:{key}", *row, row_sum(*row))).rowcount == 1

    def propose(self, items: Iterable[LedgerItem], round: int = 0) -> int:
        """Add texts that may be asked; returns how many are new."""
        new = 0
        with self.transaction():
            for item in items:
                row = (item.uid, item.text, round, json.dumps(finite(item.payload), allow_nan=False))
                self._connection.execute(
                    "INSERT INTO items (uid, text, round, record, crc) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (uid) DO NOTHING",
                    (*row, row_sum(*row)),
                )
                new += self.append("proposed", item.uid, item.uid, {"round": round})
        return new

    def export(
        self,
        batch: str,
        tool: str,
        uids: Sequence[str],
        purpose: Purpose = "label",
        details: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> ExportedBatch:
        """Claim texts for a batch, atomically; a text is not asked twice unless the purpose allows it.

        Exporting the same batch again returns the same texts, so an interrupted export can be repeated.

        Args:
            batch: id of the batch.
            tool: the tool that shows it.
            uids: uids of the texts.
            purpose: see `Purpose`.
            details: uid to values stored with the export: "people" who are asked, the known "answer", and "pending" if
                the text counts as asked only after it was sent, see `mark_sent`.

        Raises:
            LedgerError: a uid was never proposed.
        """
        shown, held_back = [], {}
        with self.transaction():
            missing = [uid for uid in uids if self.text(uid) is None]
            if missing:
                raise LedgerError(f"{self.path}: {len(missing)} texts were never proposed, the first is {missing[0]}")
            for uid in dict.fromkeys(uids):
                reason = self.reason_against(uid, batch) if purpose == "label" else None
                if reason:
                    held_back[uid] = reason
                    continue
                payload = {"purpose": purpose, **(details or {}).get(uid, {})}
                self.append("exported", uid, f"{batch}:{uid}", payload, batch=batch, who=tool)
                shown.append(uid)
        return ExportedBatch(tuple(shown), held_back)

    def asked(self, uid: str | None = None) -> list[Event]:
        """Exports that count: those of texts that a person can see, or could see when they were exported."""
        return counted(self.events("exported", uid=uid), self.events("sent", uid=uid))

    def unsent(self, batch: str) -> list[str]:
        """Texts of a batch that not everybody in its plan can see yet."""
        return unsent(self.events("exported", batch=batch), self.events("sent", batch=batch))

    def mark_sent(self, batch: str, tool: str, place: str, uids: Iterable[str]) -> None:
        """Record that a person can see the texts of a batch in one place."""
        with self.transaction():
            for uid in uids:
                self.append("sent", uid, f"{tool}:{place}:{batch}:{uid}", {"place": place}, batch=batch, who=tool)

    def note_instructions(self, batch: str, asked: Instructions) -> bool:
        """Record the instructions of a batch; False if they are unchanged."""
        with self.transaction():
            if asked in self.instructions().get(batch, [])[-1:]:
                return False
            self._connection.execute(
                "INSERT INTO instructions (at, batch, question, guidelines) VALUES (?, ?, ?, ?)",
                (now(), batch, asked.question, asked.guidelines),
            )
        return True

    def instructions(self) -> dict[str, list[Instructions]]:
        """All versions of the instructions of each batch, earlier ones first; older batches have none."""
        found: dict[str, list[Instructions]] = {}
        rows = self._connection.execute("SELECT batch, question, guidelines FROM instructions ORDER BY seq")
        for batch, *asked in rows:
            found.setdefault(batch, []).append(Instructions(*asked))
        return found

    def answered(self) -> set[str]:
        """Ids of the batches with an answer."""
        question = "SELECT DISTINCT batch FROM events WHERE kind = 'labelled'"
        return {str(batch) for (batch,) in self._connection.execute(question)}

    def gold(self, batch: str | None = None) -> dict[str, str]:
        """Gold texts of a batch, or of all batches that count as asked: uid to the known answer."""
        events = self.asked() if batch is None else self.events("exported", batch=batch)
        return {each.uid: str(each.payload["answer"]) for each in events if each.payload["purpose"] == "gold"}

    def reason_against(self, uid: str, batch: str) -> str | None:
        """The reason why a text may not be asked for the first time in this batch; None if it may."""
        exported = self.events("exported", uid=uid)
        asked = {event.batch for event in self.asked(uid)} - {batch}
        held = newest_answers(self.labels(uid), {(event.batch, event.uid): event.seq for event in exported})
        answers = {label.label for label in held.values()}
        if asked and not answers:
            return f"already asked in batch {sorted(map(str, asked))[0]}, no answer yet"
        if answers - {SKIP}:
            return "already labelled"
        if answers and len(asked) > 1:
            return "skipped twice"
        return None

    def items(self, uids: Sequence[str] | None = None) -> dict[str, Item]:
        """Given or all texts with their payloads, by uid, in the order of their proposal."""
        query = "SELECT i.uid, i.text, i.round, i.record, i.crc FROM items i JOIN events e ON e.uid = i.uid"
        rows = self._rows(4, f"{query} AND e.kind = 'proposed' ORDER BY e.seq")
        wanted = None if uids is None else set(uids)
        return {row[0]: Item(row[1], json.loads(row[3]), row[0]) for row in rows if wanted is None or row[0] in wanted}

    def records(self, uids: Sequence[str] | None = None) -> dict[str, BoundaryRecord]:
        """Like `items`, as boundary records.

        Raises:
            DataError: a payload is not that of a boundary record.
        """
        return {uid: BoundaryRecord.from_dict(item.payload) for uid, item in self.items(uids).items()}

    def round_of(self, uid: str) -> int | None:
        """Round in which the text was proposed, or None if it is unknown."""
        row = self._item(uid)
        return None if row is None else int(row[2])

    def text(self, uid: str) -> str | None:
        """The text as it was exported, or None if the uid is unknown."""
        row = self._item(uid)
        return None if row is None else str(row[1])

    def _item(self, uid: str) -> tuple[Any, ...] | None:
        return next(self._rows(4, "SELECT uid, text, round, record, crc FROM items WHERE uid = ?", uid), None)

    def _rows(self, n: int, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
        return checked_rows(self._connection, self.path, n, query, values)

    def events(
        self, kind: str | None = None, *, uid: str | None = None, batch: str | None = None, who: str | None = None
    ) -> list[Event]:
        """Events in order of arrival, filtered by the given arguments."""
        return list(self.each_event(kind, uid=uid, batch=batch, who=who))

    def each_event(
        self, kind: str | None = None, *, uid: str | None = None, batch: str | None = None, who: str | None = None
    ) -> Iterator[Event]:
        """Like `events`, but lazily, because a ledger may have millions."""
        wanted = {"kind": kind, "uid": uid, "batch": batch, "who": who}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in given) or "1"
        query = "SELECT at, kind, uid, batch, who, payload, crc, seq FROM events"
        rows = self._rows(6, f"{query} WHERE {where} ORDER BY seq", *given.values())
        return (Event(row[7], *row[:5], json.loads(row[5])) for row in rows)  # type: ignore[call-arg]

    def newest_event(self) -> int:
        """Number of the newest event, 0 if there is none; later events have larger numbers."""
        return int(self._connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def labels(self, uid: str | None = None) -> list[tuple[int, Label]]:
        """All answers ever imported with their order of arrival, including superseded ones."""
        return [(event.seq, label_from_dict(event.payload)) for event in self.each_event("labelled", uid=uid)]

    def record_label(self, label: Label) -> bool:
        """Write one answer; False if exactly this answer exists."""
        content = label.as_json()
        return self._insert("labelled", label.uid, exact_hash(content), content, label.batch_id, label.annotator)

    def adjudicate(self, label: Label) -> bool:
        """Write an answer that settles a text (the newest one counts); False if exactly this one exists."""
        return self.append("adjudicated", label.uid, label.key, label.as_dict(), who=label.annotator)

    def mark_trained(self, run: str, round: int, labels: Mapping[str, str]) -> int:
        """Record which texts with which labels were used in the training of a round; returns how many are new."""
        with self.transaction():
            return sum(
                self.append("trained", uid, f"{run}:{round}:{uid}", {"round": round, "label": label}, batch=run)
                for uid, label in labels.items()
            )
