"""Imports answers until the disk is full; run by test_bad_input. argv: folder, bytes per file (0: no limit).

Prints one JSON object: the number of acknowledged answers, and the error messages.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from pathlib import Path

from tests.labeling.examples import make_label, make_record
from vos.errors import VosError
from vos.labeling import LabelRow, Ledger, import_labels, text_uid
from vos.labeling.backends.page import PageBatch, PageSettings, write_pages


def main(folder: Path, limit: int) -> None:
    texts = [f"text {i}" for i in range(4)]
    batch = PageBatch("b0", [make_record(text) for text in texts], {"harmful": "Harmful", "harmless": "Harmless"})
    (page,) = write_pages(folder, batch, PageSettings())
    before = page.read_bytes()
    said = []
    done = 0
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.propose(batch.records)
        ledger.export("b0", "page", [text_uid(text) for text in texts])
        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        for number in range(100_000):
            label = make_label(texts[number % 4], who=f"person {number}", comment="x" * 500)
            try:
                import_labels(ledger, [LabelRow("file", number, label)], ("harmless", "harmful"))
            except VosError as error:
                said.append(str(error))
                break
            done += 1
        long = PageBatch("b1", [make_record("y" * 2_000_000)], batch.classes)
        try:
            write_pages(folder, long, PageSettings())
        except VosError as error:
            said.append(str(error))
        assert page.read_bytes() == before
        assert len(ledger.labels()) == done  # it can still be read
    sys.stdout.write(json.dumps({"acknowledged": done, "said": said}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
