"""Read a `.wandb` file back: LevelDB's log format around wandb's own protobuf records.

A file is a 7-byte header (":W&B", 0xBEE1 little-endian, version 0), then blocks of 32 KiB. A block holds chunks of
crc32 (4 bytes), length (2), type (1: full, 2: first, 3: middle, 4: last) and payload; fewer than 7 bytes at a block's
end are padding.
"""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

from wandb.proto import wandb_internal_pb2 as protobuf

BLOCK = 32768


def records(path: Path):
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    assert struct.unpack("<HB", data[4:7]) == (0xBEE1, 0)
    position, partial = 7, b""
    while position + 7 <= len(data):
        left = BLOCK - position % BLOCK
        if left < 7:
            position += left
            continue
        length, kind = struct.unpack("<HB", data[position + 4 : position + 7])
        partial += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            record = protobuf.Record()
            record.ParseFromString(partial)
            partial = b""
            yield record


def wait_for_exit(path: Path, seconds: float = 60.0) -> None:
    """Wait until the run's last record is in the file: wandb's own process writes it, after `finish` has returned."""
    end = time.monotonic() + seconds
    while not any(record.WhichOneof("record_type") == "exit" for record in records(path)):
        assert time.monotonic() < end, f"no exit record in {path} after {seconds} s"
        time.sleep(0.1)


def history(path: Path) -> list[dict[str, object]]:
    """One dict a logged step; a structured value (picture, table, histogram) is a dict of its own."""
    wait_for_exit(path)
    rows = []
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            row = {}
            for item in record.history.item:
                key, *rest = item.nested_key or [item.key]
                holder = row
                for name in rest:
                    holder = holder.setdefault(key, {})
                    key = name
                holder[key] = json.loads(item.value_json)
            rows.append(row)
    return rows


def the_file(directory: Path) -> Path:
    """The only run file under a wandb folder."""
    found = list(directory.glob("wandb/offline-run-*/*.wandb"))
    assert len(found) == 1, found
    return found[0]
