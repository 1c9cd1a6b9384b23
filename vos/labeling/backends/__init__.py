"""The labelling backends, chosen by `labeling=...` and `labels=...`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from vos.data.files import ENDINGS
from vos.data.settings import FileFormat
from vos.errors import ConfigError
from vos.labeling.answers import LabelRow
from vos.labeling.assignment import Plan, suffix_for
from vos.labeling.backends.argilla import ArgillaTool
from vos.labeling.backends.files import read_labels, write_blind_csv, write_instructions
from vos.labeling.backends.filled_sheet import check_sheet, keeps_sheet
from vos.labeling.backends.label_studio import LabelStudioTool
from vos.labeling.backends.page import PageBatch, PageSettings, write_pages
from vos.labeling.instructions import InstructionSettings
from vos.labeling.ledger import Ledger
from vos.labeling.withdrawal import restoring, withdrawals
from vos.storage.secrets import check_no_secret


class Exporter(Protocol):
    """Exports a batch to people."""

    tool: str
    """Name in the ledger."""

    plan: Plan
    """Assignment of texts to people."""

    @property
    def settings(self) -> InstructionSettings:
        """Question and guidelines for people."""

    def check(self) -> None:
        """Check settings, token, server and permission before there is a batch.

        Raises:
            VosError: what was expected and found.
        """

    def export(self, ledger: Ledger, batch: PageBatch, folder: Path) -> list[str]:
        """Export a batch that is claimed in the ledger, and record there what people can see.

        Returns: the paths or URLs of the exported batch.
        """


@dataclass(frozen=True)
class PageExporter:
    """`labeling=page`: the offline page.

    Attributes:
        settings: see `PageSettings`.
        plan: see `Plan`.
    """

    settings: PageSettings = field(default_factory=PageSettings)
    plan: Plan = field(default_factory=Plan)
    tool: ClassVar[str] = "page"

    def check(self) -> None:
        """Nothing is needed but a folder."""

    def export(self, ledger: Ledger, batch: PageBatch, folder: Path) -> list[str]:
        """Write `label.html` into the folder."""
        places = [str(path) for path in write_pages(folder, batch, self.settings)]
        ledger.mark_sent(batch.batch_id, self.tool, places[0], [record.uid for record in batch.records])
        return places


@dataclass(frozen=True)
class SheetExporter:
    """`labeling=files`: a sheet to fill in, `to_label.csv`, for people who work in a spreadsheet.

    Attributes:
        plan: see `Plan`.
        settings: see `InstructionSettings`.
    """

    plan: Plan = field(default_factory=Plan)
    settings: InstructionSettings = field(default_factory=InstructionSettings)
    tool: ClassVar[str] = "file"

    def check(self) -> None:
        """Nothing is needed but a folder."""

    def check_answers(self, folder: Path, batch_id: str | None, ledger: Ledger | None) -> None:
        """Check that no sheet in the folder would lose answers, see `check_sheet`."""
        for name in self.plan.annotators or [""]:
            check_sheet(_sheet(folder, name), batch_id, ledger)

    def export(self, ledger: Ledger, batch: PageBatch, folder: Path) -> list[str]:
        """Write `to_label.csv` and `to_label.txt` with the instructions; for a named person `to_label-NAME.csv`.

        A sheet of this batch that has answers is kept, so that an interrupted export can be repeated.
        """
        path, uids = _sheet(folder, batch.annotator), [record.uid for record in batch.records]
        asked = batch.instructions(self.settings)
        if not keeps_sheet(path, batch.batch_id, uids, ledger):
            write_blind_csv(path, batch.records, batch.batch_id, batch.annotator, asked.question)
        about = path.with_suffix(".txt")
        write_instructions(about, asked, list(batch.choices))
        ledger.mark_sent(batch.batch_id, self.tool, str(path), uids)
        return [str(path), str(about)]


def _sheet(folder: Path, annotator: str) -> Path:
    return folder / f"to_label{suffix_for(annotator)}.csv"


@dataclass(frozen=True)
class LabelStudioBackend:
    """`labeling=label_studio` and `labels=label_studio`.

    Attributes:
        url: URL of the server.
        token_variable: environment variable with the token; a token in a configuration would be stored in the files of
            the run.
        settings: see `PageSettings`.
        plan: see `Plan`.
        projects: ids of projects to read; None: every project to which texts of the ledger were sent.
        label_map: raw answer to class name.
        timeout: seconds within which the server must respond.
    """

    url: str = "http://localhost:8080"
    token_variable: str = "LABEL_STUDIO_API_KEY"  # noqa: S105 - a name, not a token
    settings: PageSettings = field(default_factory=PageSettings)
    plan: Plan = field(default_factory=Plan)
    projects: Sequence[int] | None = None
    label_map: Mapping[str, str] | None = None
    timeout: float = 120.0
    tool: ClassVar[str] = "label_studio"

    def __post_init__(self) -> None:
        check_no_secret("", self.url, "token_variable", self.token_variable)
        _check_timeout(self.timeout)

    def check(self) -> None:
        """Connect, and check that the token may list projects and that the server supports the mode."""
        self.settings.check_server()
        with closing(LabelStudioTool(self.url, secret(self.token_variable), timeout=self.timeout)) as tool:
            tool.check()

    def export(self, ledger: Ledger, batch: PageBatch, folder: Path) -> list[str]:  # noqa: ARG002 - the protocol's
        """Push to the project of the batch."""
        with closing(LabelStudioTool(self.url, secret(self.token_variable), timeout=self.timeout)) as tool:
            return [tool.push(ledger, batch, self.settings).url]

    def rows(self, ledger: Ledger) -> list[LabelRow]:
        """Every answer there is; the import rules sort out what is new."""
        with closing(LabelStudioTool(self.url, secret(self.token_variable), timeout=self.timeout)) as tool:
            return tool.pull(ledger, self.projects, self.label_map)


@dataclass(frozen=True)
class ArgillaBackend:
    """`labeling=argilla` and `labels=argilla`.

    Attributes:
        url: URL of the server.
        workspace: name of an existing workspace.
        token_variable: environment variable with the API key.
        settings: see `PageSettings`.
        plan: see `Plan`.
        label_map: raw answer to class name.
        timeout: seconds within which the server must respond.
    """

    url: str = "http://localhost:6900"
    workspace: str = "default"
    token_variable: str = "ARGILLA_API_KEY"  # noqa: S105 - a name, not a token
    settings: PageSettings = field(default_factory=PageSettings)
    plan: Plan = field(default_factory=Plan)
    label_map: Mapping[str, str] | None = None
    timeout: float = 60.0
    tool: ClassVar[str] = "argilla"

    def __post_init__(self) -> None:
        check_no_secret("", self.url, "token_variable", self.token_variable)
        _check_timeout(self.timeout)

    def check(self) -> None:
        """Connect, check that the workspace exists, and that the server supports the mode."""
        self.settings.check_server()
        ArgillaTool(self.url, secret(self.token_variable), self.workspace, self.timeout).close()

    def export(self, ledger: Ledger, batch: PageBatch, folder: Path) -> list[str]:  # noqa: ARG002 - the protocol's
        """Push to the data set of the batch."""
        with closing(ArgillaTool(self.url, secret(self.token_variable), self.workspace, self.timeout)) as tool:
            tool.push(ledger, batch, self.settings)
        return [self.url]

    def rows(self, ledger: Ledger) -> list[LabelRow]:
        """Every answer there is; the import rules sort out what is new."""
        with closing(ArgillaTool(self.url, secret(self.token_variable), self.workspace, self.timeout)) as tool:
            return tool.pull(ledger, self.label_map)


@dataclass(frozen=True)
class FileImporter(FileFormat):
    """`labels=files`: files from the page, a spreadsheet or `write_labels`, including adjudication sheets.

    Attributes:
        path: a file (csv, tsv, jsonl, json or parquet), several files, or a folder with nothing else.
        label_map: raw answer to class name.
        annotator: name of the person, for sheets without one.
        complete: whether the files contain all answers of their people to their batches: then an answer that was
            imported before and is missing now is withdrawn, and one that was withdrawn and is there again is valid.
            Not done if a row cannot be read.
    """

    path: str | Sequence[str]
    label_map: Mapping[str, str] | None = None
    annotator: str | None = None
    complete: bool = False

    def rows(self, ledger: Ledger) -> list[LabelRow]:
        """Read the files in the order of their names."""
        given = [self.path] if isinstance(self.path, str) else self.path
        files = [file for each in given for file in _files(Path(each), ledger)]
        rows = [row for file in files for row in read_labels(file, self.label_map, self.annotator, self)]
        if not self.complete or any(row.label is None for row in rows):
            return rows
        answers = [row for row in rows if not row.settles]
        told = {(row.label.batch_id, row.label.annotator) for row in answers if row.label is not None}
        source = ", ".join(file.name for file in files)
        gone = withdrawals(ledger, answers, source, lambda label: (label.batch_id, label.annotator) in told)
        return restoring(ledger, rows) + gone


def _files(path: Path, ledger: Ledger) -> list[Path]:
    """The file, or all files of a folder except the ledger's own and hidden ones."""
    if not path.is_dir():
        return [path]
    inside = sorted(each for each in path.iterdir() if not each.name.startswith((".", "~$", ledger.path.name)))
    found = [each for each in inside if each.is_file() and each.suffix.lower() in ENDINGS]
    if not found or len(found) < len(inside):
        others = ", ".join(each.name + ("/" if each.is_dir() else "") for each in inside if each not in found)
        raise ConfigError(
            f"labels.path={path}: expected a folder of answers in files that end in {', '.join(ENDINGS)}, found "
            f"{f'{others} too; move it away' if others else 'none'}, or name the files: labels.path=[{path}/FILE,...]"
        )
    return found


def _check_timeout(seconds: float) -> None:
    if not seconds > 0:
        raise ConfigError(f"timeout: expected seconds above 0, got {seconds}")


def secret(variable: str) -> str:
    """Value of an environment variable.

    Raises:
        ConfigError: it is not set.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigError(f"expected a token in the environment variable {variable}; set it with export {variable}=...")
    return value
