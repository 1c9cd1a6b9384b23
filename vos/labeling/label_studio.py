"""Label Studio: push a batch, pull the answers."""

from __future__ import annotations

import fcntl
import html
import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx

from vos.errors import ConfigError
from vos.labeling.errors import ToolError
from vos.labeling.label_files import LabelRow
from vos.labeling.label_studio_format import labelling_config, rows_of_export, task
from vos.labeling.ledger import Ledger
from vos.labeling.page import PageBatch, PageSettings

TOOL = "label_studio"


@dataclass(frozen=True)
class PushReport:
    """What a push did.

    Attributes:
        project: id of the project.
        created: the project was made by this push.
        sent: texts sent now.
        present: texts that were there already.
        url: where people label.
    """

    project: int
    created: bool
    sent: int
    present: int
    url: str


class LabelStudioTool:
    """A connection to a Label Studio server (1.23, community edition or newer).

    Args:
        url: of the server, for example http://localhost:8080.
        token: legacy token or personal access token.
        chunk_size: tasks sent in one request.

    Raises:
        ToolError: unreachable, or the token is refused; the message says of which kind it is.
        ConfigError: label-studio-sdk is not installed.
    """

    def __init__(self, url: str, token: str, chunk_size: int = 100) -> None:
        sdk = _sdk("label_studio_sdk")
        # The SDK joins paths to the last folder of the address: without the slash http://host/prefix loses its prefix.
        self.url = url.rstrip("/")
        self.chunk_size = chunk_size
        self.kind = token_kind(token)
        self._http = httpx.Client(timeout=120, follow_redirects=True)
        try:
            with self._clear_errors("connect"):
                self._client = sdk.LabelStudio(base_url=self.url + "/", api_key=token, httpx_client=self._http)
                self._client.users.whoami()
        except ToolError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    @contextmanager
    def _clear_errors(self, step: str) -> Iterator[None]:
        api_error = _sdk("label_studio_sdk.core.api_error").ApiError
        try:
            yield
        except api_error as error:
            body = error.body
            detail = body.get("detail") or body if isinstance(body, dict) else body
            if error.status_code == 401:
                raise ToolError(
                    f"{self.url}: the {self.kind} was refused ({detail}). Legacy tokens are off in new organisations "
                    "and personal access tokens expire: make a new one under Account & Settings"
                ) from error
            raise ToolError(f"{self.url}: could not {step}: {error.status_code} {detail}") from error
        except (httpx.HTTPError, OSError) as error:
            raise ToolError(
                f"{self.url}: could not {step}, the server does not answer ({error or type(error).__name__}). Repeat "
                "the command when it runs: what it acknowledged is in the ledger and is not sent twice"
            ) from error

    def push(self, ledger: Ledger, batch: PageBatch, settings: PageSettings) -> PushReport:
        """Send a batch that the ledger has exported to the project of its name, which is made when missing.

        The prediction goes along for reports and is hidden from labellers. Interrupted pushes are repeated: texts that
        the ledger or the project knows are not sent again.

        Raises:
            ToolError: the server refused or went away.
            ConfigError: a prediction does not fit the labelling config, or mode is "reveal".
        """
        if settings.mode == "reveal":
            raise ConfigError("labeling.mode=reveal works on the offline page only; use blind or assisted")
        title, config = f"{settings.title} {batch.batch_id}"[:50], labelling_config(settings.question, batch.classes)
        tasks = {
            record.uid: task(record, batch.neighbours.get(record.uid, ()), batch.batch_id, predict=True)
            for record in batch.records
        }
        check_predictions(config, tasks.values())
        with _one_at_a_time(ledger):
            return self._push(ledger, batch.batch_id, tasks, (title, config), settings)

    def _push(
        self,
        ledger: Ledger,
        batch_id: str,
        tasks: Mapping[str, dict[str, Any]],
        project_as: tuple[str, str],
        settings: PageSettings,
    ) -> PushReport:
        with self._clear_errors("find or make the project"):
            project, created = self._project(*project_as, settings)
        present = set() if created else self._present(ledger, batch_id, project)
        missing = [uid for uid in tasks if uid not in present]
        for start in range(0, len(missing), self.chunk_size):
            chunk = missing[start : start + self.chunk_size]
            with self._clear_errors(f"send texts {start + 1} to {start + len(chunk)} of {len(missing)}"):
                answer = self._client.projects.import_tasks(
                    id=project, request=[tasks[uid] for uid in chunk], return_task_ids=True
                )
            self._note_sent(ledger, batch_id, project, dict(zip(chunk, answer.task_ids, strict=True)))
        with self._clear_errors("choose the model version"):
            version = next(iter(tasks.values()))["predictions"][0]["model_version"]
            self._client.projects.update(project, model_version=version)
        return PushReport(project, created, len(missing), len(present), f"{self.url}/projects/{project}/")

    def _project(self, title: str, config: str, settings: PageSettings) -> tuple[int, bool]:
        for found in self._client.projects.list():
            if found.title == title:
                return int(found.id), False
        made = self._client.projects.create(
            title=title,
            label_config=config,
            maximum_annotations=2,
            skip_queue="IGNORE_SKIPPED",
            show_collab_predictions=settings.mode == "assisted",
            enable_empty_annotation=False,
            sampling="Sequential sampling",
            expert_instruction=f"<p>{_escaped(settings.content_note)}</p><p>{_escaped(settings.guidelines)}</p>",
            show_instruction=True,
        )
        return int(made.id), True

    def _present(self, ledger: Ledger, batch_id: str, project: int) -> set[str]:
        """Texts that the project holds, noted in the ledger where a push died before it could do so."""
        held = {str(each["data"].get("uid")): int(each["id"]) for each in self._export(project)}
        self._note_sent(ledger, batch_id, project, {uid: n for uid, n in held.items() if ledger.text(uid) is not None})
        return set(held)

    def _note_sent(self, ledger: Ledger, batch_id: str, project: int, task_ids: Mapping[str, int]) -> None:
        with ledger.transaction():
            for uid, number in task_ids.items():
                place = {"url": self.url, "project": project, "task": number}
                ledger.append("sent", uid, f"{TOOL}:{self.url}:{project}:{uid}", place, batch=batch_id, who=TOOL)

    def _export(self, project: int) -> list[dict[str, Any]]:
        with self._clear_errors(f"export project {project}"):
            content = b"".join(
                self._client.projects.exports.download_sync(id=project, export_type="JSON", download_all_tasks=True)
            )
        return list(json.loads(content))

    def pull(
        self, ledger: Ledger, projects: Sequence[int] | None = None, label_map: Mapping[str, str] | None = None
    ) -> list[LabelRow]:
        """Answers of the projects given, or of all that the ledger has sent texts to on this server.

        Raises:
            ToolError: the server refused or went away, or the ledger knows no project here.
        """
        if projects is None:
            sent = (event.payload for event in ledger.events("sent") if event.who == TOOL)
            projects = sorted({int(place["project"]) for place in sent if place["url"] == self.url})
        if not projects:
            raise ToolError(
                f"{ledger.path} knows no project on {self.url}; push a batch first, or name labels.projects"
            )
        with self._clear_errors("list the users"):
            people = {int(user.id): str(user.email or user.username) for user in self._client.users.list()}
        return [
            row
            for project in projects
            for row in rows_of_export(self._export(project), people, f"{self.url}/projects/{project}", label_map)
        ]


@contextmanager
def _one_at_a_time(ledger: Ledger) -> Iterator[None]:
    """Hold back a second push of the same ledger: both would find the same texts missing and send them twice."""
    with ledger.path.with_name(ledger.path.name + ".push").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sdk(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"Label Studio needs pip install 'vos-text[label-studio]' ({error})") from error


def token_kind(token: str) -> str:
    """Which of the two kinds a token is: a personal access token is a JWT, a legacy token 40 hexadecimal characters."""
    return "personal access token" if token.count(".") == 2 else "legacy token"


def check_predictions(config: str, tasks: Any) -> None:
    """Check every prediction against the config: the server takes wrong ones without a word.

    Raises:
        ConfigError: with the reasons.
    """
    interface = _sdk("label_studio_sdk.label_interface").LabelInterface(config)
    for each in tasks:
        for prediction in each.get("predictions", ()):
            errors = interface.validate_prediction(prediction, return_errors=True)
            if errors:
                raise ConfigError(
                    f"text {each['data']['uid']}: its prediction does not fit the classes asked: {errors}"
                )


def _escaped(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
