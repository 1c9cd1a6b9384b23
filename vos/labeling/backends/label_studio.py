"""Label Studio: push a batch, pull the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vos.errors import ConfigError, ToolError
from vos.labeling.answers import LabelRow
from vos.labeling.backends.label_studio_connection import TIMEOUT, Connection, sdk
from vos.labeling.backends.label_studio_format import expert_instruction, labelling_config, rows_of_export, task
from vos.labeling.backends.page import PageBatch, PageSettings
from vos.labeling.ledger import Ledger
from vos.labeling.withdrawal import read_back
from vos.storage.lock import lock_within

TOOL = "label_studio"

TITLE_LENGTH = 50
"""Longest project title that Label Studio accepts."""


@dataclass(frozen=True)
class PushReport:
    """The result of a push.

    Attributes:
        project: id of the project.
        created: whether this push created the project.
        sent: number of texts sent now.
        present: number of texts that were already there.
        url: URL where people label.
    """

    project: int
    created: bool
    sent: int
    present: int
    url: str


class LabelStudioTool(Connection):
    """Push and pull over a `Connection`.

    Args:
        url: see `Connection`.
        token: see `Connection`.
        chunk_size: tasks sent in one request.
        timeout: see `Connection`.
    """

    def __init__(self, url: str, token: str, chunk_size: int = 100, timeout: float = TIMEOUT) -> None:
        super().__init__(url, token, timeout)
        self.chunk_size = chunk_size

    def check(self) -> None:
        """Check that the token may list projects, the first step of a push.

        Raises:
            ToolError: it may not, or the server does not respond.
        """
        with self.clear_errors("list the projects"):
            next(iter(self._client.projects.list()), None)

    def push(self, ledger: Ledger, batch: PageBatch, settings: PageSettings) -> PushReport:
        """Send a batch that the ledger has exported to the project of its name, which is created if missing.

        The prediction is sent for reports and is hidden from labellers. An interrupted push can be repeated: texts that
        are known to the ledger or the project are not sent again.

        Raises:
            ToolError: the server refused or does not respond.
            ConfigError: a prediction does not fit the labelling config, or mode is "reveal".
        """
        settings.check_server()
        config = labelling_config(batch.instructions(settings).question, batch.choices)
        tasks = {
            record.uid: task(record, batch.neighbours.get(record.uid, ()), batch.batch_id) for record in batch.records
        }
        check_predictions(config, tasks.values())
        with _one_at_a_time(ledger):
            with self.clear_errors("find or make the project"):
                project, created = self._project(batch, config, settings)
            present = set() if created else self._present(ledger, batch.batch_id, project)
            missing = [uid for uid in tasks if uid not in present]
            for start in range(0, len(missing), self.chunk_size):
                chunk = missing[start : start + self.chunk_size]
                with self.clear_errors(f"send texts {start + 1} to {start + len(chunk)} of {len(missing)}"):
                    answer = self._client.projects.import_tasks(
                        id=project, request=[tasks[uid] for uid in chunk], return_task_ids=True
                    )
                self._note_sent(ledger, batch.batch_id, project, dict(zip(chunk, answer.task_ids, strict=True)))
            with self.clear_errors("choose the model version"):
                self._client.projects.update(project, model_version=batch.records[0].model_hash)
        return PushReport(project, created, len(missing), len(present), f"{self.url}/projects/{project}/")

    def _project(self, batch: PageBatch, config: str, settings: PageSettings) -> tuple[int, bool]:
        title = project_title(settings.title, batch)
        for found in self._client.projects.list():
            if found.title == title:
                return int(found.id), False
        made = self._client.projects.create(
            title=title,
            label_config=config,
            maximum_annotations=1 if batch.annotator else 2,
            skip_queue="IGNORE_SKIPPED",
            show_collab_predictions=settings.mode == "assisted",
            enable_empty_annotation=False,
            sampling="Sequential sampling",
            expert_instruction=expert_instruction(batch.instructions(settings), settings.content_note),
            show_instruction=True,
        )
        return int(made.id), True

    def _present(self, ledger: Ledger, batch_id: str, project: int) -> set[str]:
        """Texts in the project; also records them in the ledger if an interrupted push did not."""
        held = {str(each["data"].get("uid")): int(each["id"]) for each in self.export(project)}
        self._note_sent(ledger, batch_id, project, {uid: n for uid, n in held.items() if ledger.text(uid) is not None})
        return set(held)

    def _note_sent(self, ledger: Ledger, batch_id: str, project: int, task_ids: Mapping[str, int]) -> None:
        with ledger.transaction():
            for uid, number in task_ids.items():
                place = {"url": self.url, "project": project, "task": number}
                ledger.append("sent", uid, f"{TOOL}:{self.url}:{project}:{uid}", place, batch=batch_id, who=TOOL)

    def pull(
        self, ledger: Ledger, projects: Sequence[int] | None = None, label_map: Mapping[str, str] | None = None
    ) -> list[LabelRow]:
        """Answers of the given projects, or of all on this server to which texts of the ledger were sent.

        An answer in the ledger that is missing on the server, although its task exists, is returned as withdrawn.

        Raises:
            ToolError: the server refused or does not respond, or the ledger knows no project on it.
        """
        sent = ledger.events("sent", who=TOOL)
        if projects is None:
            here = (event.payload for event in sent if event.payload["url"] == self.url)
            projects = sorted({int(place["project"]) for place in here})
        if not projects:
            raise ToolError(
                f"{ledger.path} knows no project on {self.url}; push a batch first, or name labels.projects"
            )
        with self.clear_errors("list the users"):
            people = {int(user.id): str(user.email or user.username) for user in self._client.users.list()}
        places = {(self.url, int(project)) for project in projects}
        elsewhere = {each.batch for each in sent if (each.payload["url"], int(each.payload["project"])) not in places}
        answers = (
            (data.get("uid", ""), data.get("batch_id", ""), rows)
            for project in projects
            for data, rows in rows_of_export(self.export(project), people, f"{self.url}/projects/{project}", label_map)
        )
        return read_back(ledger, TOOL, self.url, answers, elsewhere)


def project_title(title: str, batch: PageBatch) -> str:
    """Title of a project, at most 50 characters; batch and person are always complete, the rest is truncated.

    Example:
        >>> class Named: batch_id, annotator = "r00-0a1b2c3d", "ann"
        >>> project_title("Judging texts about ladders, stairs and roofs", Named)
        'Judging texts about ladders, stai r00-0a1b2c3d ann'
    """
    name = f" {batch.batch_id}" + (f" {batch.annotator}" if batch.annotator else "")
    return (title[: max(0, TITLE_LENGTH - len(name))] + name).strip()


@contextmanager
def _one_at_a_time(ledger: Ledger) -> Iterator[None]:
    """Lock against a second push of the same ledger, which would send the same texts twice.

    Raises:
        RunError: the other push does not finish.
    """
    with ledger.path.with_name(ledger.path.name + ".push").open("w") as lock:
        lock_within(lock, f"{ledger.path}: another process sends a batch of this ledger")
        yield


def check_predictions(config: str, tasks: Iterable[Mapping[str, Any]]) -> None:
    """Check every prediction against the config, because the server silently accepts wrong ones.

    Raises:
        ConfigError: with the reasons.
    """
    interface = sdk("label_studio_sdk.label_interface").LabelInterface(config)
    for each in tasks:
        if errors := interface.validate_prediction(each["predictions"][0], return_errors=True):
            raise ConfigError(f"text {each['data']['uid']}: its prediction does not fit the classes asked: {errors}")
