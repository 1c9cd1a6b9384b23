"""The directory of one run: its paths, its manifest, and checks of its completeness."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vos
from vos.errors import RunError
from vos.storage.atomic import write_atomically
from vos.storage.commands import command
from vos.storage.environment import peak_memory_mib
from vos.storage.hashes import file_hash, text_hash
from vos.storage.json_files import read_json, write_json
from vos.storage.sealed import sealed, unsealed

FORMAT_VERSION = 2
"""Format version of the files of a run; 1 was written by version 0.1."""


FILES = ("config.yaml", "overrides.yaml", "metrics.json", "density.safetensors", "output_labels.json", "model/*")
"""Files of a finished run whose hashes are in its manifest."""


class RunDirectory:
    """Paths and state of a run.

    Args:
        path: created by `start`, must exist for `open_finished`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.manifest_path = self.path / "manifest.json"
        self.metrics_path = self.path / "metrics.json"
        self.config_path = self.path / "config.yaml"
        self.train = self.path / "train.jsonl"
        self.new_labels = self.path / "new_labels.json"
        self.output_labels = self.path / "output_labels.json"
        self.outlier_texts = self.path / "outlier_texts.jsonl"
        self.model = self.path / "model"
        self.density = self.path / "density.safetensors"
        self.picture = self.path / "boundary.png"
        self.checkpoints = self.path / "checkpoints"
        self.rounds = self.path / "rounds"

    @property
    def manifest(self) -> dict[str, Any]:
        """Content of `manifest.json`.

        Raises:
            RunError: the file is missing, unreadable or damaged.
        """
        return unsealed(read_json(self.manifest_path), self.manifest_path)

    def start(self, config_yaml: str, facts: Mapping[str, object]) -> None:
        """Create the directory, or continue an interrupted run with the same configuration.

        Raises:
            RunError: the directory has a finished run, or one with another configuration or version.
        """
        facts = {"config_hash": text_hash(config_yaml), **facts}
        if self.manifest_path.exists():
            self._check_same(facts)
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.config_path, config_yaml)
        facts["files"] = {self.config_path.name: file_hash(self.config_path)}
        self._write_manifest({"status": "running", "started_unix": time.time(), "wall_seconds": 0.0, **facts})

    def _check_same(self, facts: Mapping[str, object]) -> None:
        manifest = self.manifest
        check_version(self.path, manifest)
        for key in ("config_hash", "data_fingerprint"):
            if manifest.get(key) != facts.get(key):
                raise RunError(
                    f"{self.path}: holds a run whose {key} is {manifest.get(key)!r}, this one's is {facts.get(key)!r}; "
                    "resume with the same settings and data, or choose another directory"
                )
        self.check_files()

    def finish(self, wall_seconds: float, facts: Mapping[str, object]) -> None:
        """Mark the run as finished; `wall_seconds` is added to the time of earlier, interrupted attempts."""
        manifest = self.manifest
        manifest |= facts
        manifest["wall_seconds"] = round(manifest.get("wall_seconds", 0.0) + wall_seconds, 1)
        manifest["peak_memory_mib"] = peak_memory_mib()
        manifest["files"] = {name: file_hash(self.path / name) for name in self._kept_files()}
        self._write_manifest({**manifest, "status": "finished"})

    def _kept_files(self) -> list[str]:
        """The existing files among `FILES`, which later programs read."""
        found = (path for pattern in FILES for path in sorted(self.path.glob(pattern)))
        return [path.relative_to(self.path).as_posix() for path in found if path.is_file()]

    def check_files(self) -> None:
        """Check that the files of a finished run, or the settings of an unfinished one, are unchanged.

        Runs of older versions have no hashes and are not checked.

        Raises:
            RunError: a file is missing, damaged or changed.
        """
        for name, expected in self.manifest.get("files", {}).items():
            path = self.path / name
            if not path.is_file() or file_hash(path) != expected:
                raise RunError(
                    f"{path}: expected the file that the run wrote, found {'another' if path.exists() else 'none'}; "
                    "restore it, train again, or, if the change is yours, take `files` and `seal` out of manifest.json"
                )

    @property
    def is_finished(self) -> bool:
        """Whether this is a finished run of the current format version."""
        if not self.manifest_path.exists():
            return False
        manifest = self.manifest
        return manifest.get("format_version") == FORMAT_VERSION and manifest.get("status") == "finished"

    def _write_manifest(self, values: Mapping[str, object]) -> None:
        facts = {"format_version": FORMAT_VERSION, "vos_version": vos.__version__, **values}
        write_json(self.manifest_path, sealed(facts))

    def open_finished(self) -> dict[str, Any]:
        """The manifest of a complete, finished run.

        Raises:
            RunError: the run is missing, unfinished, or of another version; the message says what to do.
        """
        if not self.manifest_path.exists():
            found = "no manifest.json here" if self.path.is_dir() else "no such directory"
            raise RunError(f"run={self.path}: {found}; expected a directory that a training wrote")
        manifest = self.manifest
        check_version(self.path, manifest)
        if manifest.get("status") != "finished":
            raise RunError(
                f"run={self.path}: the run is {manifest.get('status')!r}, not finished; "
                f"finish it with: {command('train')} resume={self.path}"
            )
        missing = [
            str(p.relative_to(self.path))
            for p in (self.config_path, self.model / "vos.json", self.density, self.metrics_path)
            if not p.exists()
        ]
        if missing:
            raise RunError(f"run={self.path}: the run is finished but lacks {missing}; train again")
        return manifest


def check_version(path: Path, manifest: Mapping[str, object]) -> None:
    """Raise RunError if the manifest has another format version."""
    if manifest.get("format_version") != FORMAT_VERSION:
        raise RunError(
            f"run={path}: expected run format {FORMAT_VERSION}, found {manifest.get('format_version')!r} written by "
            f"vos {manifest.get('vos_version')!r}; use that version, or train again"
        )


def run_hash(run: RunDirectory) -> str:
    """Hash of a run's settings and data, as stored in records."""
    manifest = run.manifest
    return text_hash(f"{manifest['config_hash']} {manifest['data_fingerprint']} {manifest['model_hash']}")
