"""The `datasets` library as a source of rows: hub names, saved folders, folders of data files."""

from __future__ import annotations

import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vos.data.json_rows import Row
from vos.errors import DataError
from vos.storage.extras import optional

PROBE_SECONDS = 3.0
"""Seconds to wait for the hub before it counts as unreachable; its own client retries for half a minute."""


class Table:
    """One split of a data set.

    Args:
        source: name and split, for messages.
        dataset: a `datasets.Dataset`; memory-mapped, so iterating does not load it.
    """

    def __init__(self, source: str, dataset: Any) -> None:
        self.source = source
        self._dataset = dataset

    def __len__(self) -> int:
        return int(self._dataset.num_rows)

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """Names that a `ClassLabel` feature declares, or None."""
        names = getattr(self._dataset.features.get(column), "names", None)
        return None if names is None else tuple(names)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Rows with their number from 1 and the values of the existing `columns`; class codes become class names.

        The code -1, which marks hidden labels of test sets, becomes None.
        """
        present = [name for name in self._dataset.column_names if name in columns]
        if len(present) < len(set(columns)):
            present = self._dataset.column_names  # a column is missing; the error lists the existing ones
        coded = {name: names for name in present if (names := self.class_names(name)) is not None}
        for number, row in enumerate(self._dataset.select_columns(present), 1):
            for name, names in coded.items():
                code = row[name]
                row[name] = names[code] if code is not None and code >= 0 else None
            yield number, row


def open_tables(name: str, config_name: str | None, splits: Mapping[str, str]) -> dict[str, Table]:
    """Open splits of a data set.

    Args:
        name: hub name or local folder.
        config_name: configuration, or None.
        splits: our name of a split to the data set's name.

    Raises:
        DataError: no such data set, no network, or no such split.
    """
    found = _open(name, config_name)
    for ours, theirs in splits.items():
        if theirs not in found:
            raise DataError(f"{name}: expected a split {theirs!r} for {ours}, found the splits {sorted(found)}")
    return {ours: Table(f"{name}[{theirs}]", found[theirs]) for ours, theirs in splits.items()}


def _open(name: str, config_name: str | None) -> Mapping[str, Any]:
    """All splits by name."""
    datasets = optional("datasets", "hub", "data=hub")  # imported here because it is slow

    folder = Path(name)
    try:
        if (folder / "dataset_dict.json").exists():
            return dict(datasets.load_from_disk(name))
        if (folder / "state.json").exists():
            return {"train": datasets.load_from_disk(name)}
        if folder.is_dir():
            return dict(datasets.load_dataset(name, config_name))
        if folder.is_absolute() or name.startswith(("./", "../", "~")):
            raise DataError(f"{name}: expected a folder with a data set, found nothing there")
        return _open_hub_name(name, config_name)
    except DataError:
        raise
    except Exception as error:  # the library's errors have no common base class
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name}: the datasets library cannot read it: {reason}") from error


def _open_hub_name(name: str, config_name: str | None) -> Mapping[str, Any]:
    """A data set of the hub, or its copy in the cache if the hub is unreachable."""
    import datasets

    if hub_is_reachable():
        return dict(datasets.load_dataset(name, config_name))
    try:
        with _offline():
            return dict(datasets.load_dataset(name, config_name))
    except (ConnectionError, FileNotFoundError, ValueError) as error:
        raise DataError(
            f"{name}: expected a local folder, or a data set of the Hugging Face hub; there is no such folder, the hub "
            "cannot be reached from here (or offline mode is set), and the data set is not in the local cache; check "
            "name and network, or save the data set with save_to_disk elsewhere and give that folder"
        ) from error


def hub_is_reachable() -> bool:
    """Whether the hub's host accepts a connection within `PROBE_SECONDS`; assumed true behind a proxy."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    url = urllib.parse.urlsplit(constants.ENDPOINT)
    host = url.hostname or ""
    if urllib.request.getproxies().get(url.scheme) and not urllib.request.proxy_bypass(host):
        return True
    try:
        with socket.create_connection((host, url.port or (80 if url.scheme == "http" else 443)), PROBE_SECONDS):
            return True
    except OSError:
        return False


@contextmanager
def _offline() -> Iterator[None]:
    """Context with offline mode of both libraries, which read their environment variables only at import."""
    import datasets.config
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before
