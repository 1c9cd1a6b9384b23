"""Argilla 2.x: push a batch, pull the answers.

Argilla stores no time per answer, and marked passages without their words; if a text has characters outside Unicode's
first plane, the offsets are ambiguous (browsers count UTF-16 units), so these marks are left out.
"""

from __future__ import annotations

import importlib
import logging
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vos.errors import ConfigError, ToolError
from vos.labeling.answers import LabelRow, read_row
from vos.labeling.assignment import suffix_for
from vos.labeling.backends.page import PageBatch, PageSettings, suggestion
from vos.labeling.label import SKIP, exact_hash, now
from vos.labeling.ledger import Ledger
from vos.labeling.withdrawal import read_back
from vos.storage.extras import optional

logger = logging.getLogger(__name__)

TOOL = "argilla"
PAGE = 200
"""Records fetched in one request."""


class ArgillaTool:
    """A connection to an Argilla server.

    Args:
        url: URL of the server, for example http://localhost:6900.
        api_key: API key of an owner or administrator.
        workspace: name of an existing workspace.
        timeout: seconds within which the server must respond.

    Raises:
        ToolError: the server is unreachable, or refuses the key.
        ConfigError: argilla is not installed, or the workspace does not exist.
    """

    def __init__(self, url: str, api_key: str, workspace: str = "default", timeout: float = 60.0) -> None:
        self._argilla = optional("argilla", "argilla", "labeling=argilla")
        self.url, self.workspace = url.rstrip("/"), workspace
        with self._clear_errors("connect"):
            self._client = self._argilla.Argilla(api_url=self.url, api_key=api_key, timeout=math.ceil(timeout))
            names = [str(each.name) for each in self._client.workspaces]
        if workspace not in names:
            self.close()
            raise ConfigError(f"workspace={workspace}: expected one that {self.url} has, found {names}")

    @contextmanager
    def _clear_errors(self, step: str) -> Iterator[None]:
        import httpx

        exceptions = importlib.import_module("argilla._exceptions")
        try:
            yield
        except exceptions.ArgillaCredentialsError as error:
            raise ToolError(f"{self.url}: the API key was refused; copy a new one from the user settings") from error
        except exceptions.ArgillaError as error:
            raise ToolError(f"{self.url}: could not {step}: {error}") from error
        except httpx.HTTPError as error:
            raise ToolError(
                f"{self.url}: could not {step}, the server does not answer ({error or type(error).__name__}). Repeat "
                "the command when it runs: a text sent twice is updated, not doubled"
            ) from error

    def close(self) -> None:
        """Close the connection."""
        self._client.http_client.close()

    def push(self, ledger: Ledger, batch: PageBatch, settings: PageSettings) -> int:
        """Send a batch to the data set of its name, created if missing; returns how many texts were sent.

        Record ids are our uids, so a repeated push updates records and never duplicates them. Suggestions are sent only
        in the mode "assisted", because Argilla shows them before the answer.
        """
        settings.check_server()
        name = re.sub(r"[^a-zA-Z0-9_-]", "-", f"vos-{batch.batch_id}{suffix_for(batch.annotator)}")
        places = ledger.events("sent", batch=batch.batch_id, who=TOOL)
        with self._clear_errors(f"send batch {batch.batch_id}"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # warning: a new batch has no data set yet
                dataset = self._client.datasets(name, workspace=self.workspace)
            if dataset is None:
                dataset = self._argilla.Dataset(
                    name=name,
                    workspace=self.workspace,
                    settings=self._settings(batch, settings),
                    client=self._client,
                ).create()
            sent = {event.uid for event in places if event.payload["dataset"] == str(dataset.id)}
            records = [self._record(record, batch, settings) for record in batch.records if record.uid not in sent]
            if records:
                dataset.records.log(records)
        with ledger.transaction():
            place = {"url": self.url, "dataset": str(dataset.id)}
            for record in records:
                ledger.append(
                    "sent", record.id, f"{TOOL}:{dataset.id}:{record.id}", place, batch=batch.batch_id, who=TOOL
                )
        return len(records)

    def _settings(self, batch: PageBatch, settings: PageSettings) -> Any:
        rg = self._argilla
        asked = batch.instructions(settings)
        return rg.Settings(
            guidelines=f"{settings.content_note}\n\n{asked.guidelines}",
            fields=[
                rg.TextField(name="text", client=self._client),
                rg.TextField(name="similar", title="Similar texts already judged", required=False, client=self._client),
            ],
            questions=[
                rg.LabelQuestion(name="harm", title=asked.question, labels=batch.choices),
                rg.SpanQuestion(name="why", field="text", labels=["reason"], required=False),
                rg.TextQuestion(name="comment", required=False),
            ],
            distribution=rg.TaskDistribution(min_submitted=1 if batch.annotator else 2),
        )

    def _record(self, record: Any, batch: PageBatch, settings: PageSettings) -> Any:
        rg = self._argilla
        near = "\n\n".join(f"{each.label}: {each.text}" for each in batch.neighbours.get(record.uid, ()))
        suggestions = []
        if settings.mode == "assisted":
            label, score = suggestion(record)
            suggestions = [rg.Suggestion("harm", label, score=score, agent=record.model_hash)]
        return rg.Record(
            id=record.uid, fields={"text": record.text, **({"similar": near} if near else {})}, suggestions=suggestions
        )

    def pull(self, ledger: Ledger, label_map: Mapping[str, str] | None = None) -> list[LabelRow]:
        """Answers of every data set on this server to which texts of the ledger were sent, without drafts.

        An answer in the ledger that is no longer on the server (deleted, or a draft again) is returned as withdrawn,
        unless its batch was sent to another server too.
        """
        sent = ledger.events("sent", who=TOOL)
        here = [event for event in sent if event.payload["url"] == self.url]
        elsewhere = {event.batch for event in sent if event.payload["url"] != self.url}
        batches = {event.payload["dataset"]: str(event.batch) for event in here}
        if not batches:
            raise ToolError(f"{ledger.path} knows no data set on {self.url}; push a batch first")
        with self._clear_errors("read the answers"):
            people = {str(user.id): str(user.username) for user in self._client.api.users.list()}
            answers = (
                (
                    str(record.external_id),
                    batch_id,
                    [
                        read_row(f"{self.url}/dataset/{dataset}", number, values, label_map)
                        for values in _answers(record, batch_id, people)
                    ],
                )
                for dataset, batch_id in batches.items()
                for number, record in enumerate(self._records(dataset), 1)
            )
            return read_back(ledger, TOOL, self.url, answers, elsewhere)

    def _records(self, dataset: str) -> Iterator[Any]:
        offset = 0
        while page := self._client.api.records.list(dataset, offset=offset, limit=PAGE, with_responses=True):
            yield from page
            offset += len(page)


def _answers(record: Any, batch_id: str, people: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    suggested = [each.value for each in record.suggestions or () if each.question_name == "harm"]
    for response in record.responses or ():
        status = str(response.status.value)
        if status == "draft":
            continue
        given = {name: each["value"] for name, each in (response.values or {}).items()}
        label = SKIP if status == "discarded" else given.get("harm", "")
        text = record.fields["text"]
        yield {
            "uid": str(record.external_id),
            "annotator": people.get(str(response.user_id), str(response.user_id)),
            "label": label,
            "labelled_at": record.updated_at.astimezone().isoformat() if record.updated_at else now(),
            "tool": TOOL,
            "batch_id": batch_id,
            "text_hash": exact_hash(text),
            "spans": [] if label == SKIP else _spans(text, given.get("why") or ()),
            "comment": given.get("comment") or "",
            "shown_prediction": bool(suggested),
            "changed_from_suggestion": label not in suggested if suggested else None,
        }


def _spans(text: str, values: Any) -> list[dict[str, Any]]:
    """Marked passages with their words; the import checks that they occur in the text."""
    if values and any(character > "\uffff" for character in text):
        logger.warning("marks in a text with characters beyond U+FFFF were left out: their offsets are ambiguous")
        return []
    places = [(int(value["start"]), int(value["end"])) for value in values]
    return [{"start": start, "end": end, "text": text[start:end]} for start, end in places]
