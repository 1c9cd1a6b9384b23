"""The formats of Label Studio: labelling config, tasks, and JSON export; no network access."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from vos.errors import DataError
from vos.labeling.answers import LabelRow, read_row
from vos.labeling.backends.page import KEYS, Neighbour, suggestion
from vos.labeling.instructions import Instructions
from vos.labeling.label import SKIP, exact_hash
from vos.labeling.records import BoundaryRecord

NO_NEIGHBOURS = "<p>none</p>"
"""Every variable of the config must be in every task."""


def labelling_config(question: str, choices: Mapping[str, str]) -> str:
    """XML of the labelling screen: classes and "unsure" as choices, marked passages, comment, similar texts.

    Skipping is Label Studio's own button.

    Args:
        question: question above the text.
        choices: answer to title, in the order of the keys 1, 2, ..., see `PageBatch.choices`.
    """
    keys = itertools.chain((f' hotkey="{key}"' for key in KEYS), itertools.repeat(""))
    shown = "".join(
        f"<Choice value={quoteattr(name)} html={quoteattr(html.escape(title))}{key}/>"
        for (name, title), key in zip(choices.items(), keys, strict=False)
    )
    return (
        "<View>"
        f"<Header value={quoteattr(question)}/>"
        '<Text name="text" value="$text" granularity="word"/>'
        '<Choices name="harm" toName="text" choice="single-radio" required="true" showInline="true">'
        f"{shown}</Choices>"
        '<Labels name="why" toName="text"><Label value="reason" background="#d9a400" hotkey="s"/></Labels>'
        '<TextArea name="comment" toName="text" rows="2" maxSubmissions="1" editable="true" required="false"/>'
        '<Collapse><Panel value="Similar texts already judged">'
        '<HyperText name="similar" value="$neighbours" inline="true"/></Panel></Collapse>'
        "</View>"
    )


def expert_instruction(asked: Instructions, content_note: str = "") -> str:
    r"""HTML of the instructions shown before the first text, with escaped content.

    Example:
        >>> expert_instruction(Instructions("Is it <b>?", "One.\nTwo."))
        '<h3>Is it &lt;b&gt;?</h3><p>One.<br>Two.</p>'
    """
    question, *parts = (
        html.escape(part).replace("\n", "<br>") for part in (asked.question, content_note, asked.guidelines) if part
    )
    return f"<h3>{question}</h3>" + "".join(f"<p>{part}</p>" for part in parts)


def task(record: BoundaryRecord, neighbours: Sequence[Neighbour], batch_id: str) -> dict[str, Any]:
    """One task: the data that labellers see, and the model's prediction, for reports, which they do not see.

    Texts are untrusted: where the config renders HTML they are escaped.

    Args:
        record: the text.
        neighbours: similar texts already judged.
        batch_id: returned with the answer.
    """
    shown = "".join(
        f'<p dir="auto"><b>{html.escape(each.label)}</b>: {html.escape(each.text)}</p>' for each in neighbours
    )
    data = {
        "text": record.text,
        "uid": record.uid,
        "text_hash": exact_hash(record.text),
        "batch_id": batch_id,
        "neighbours": shown or NO_NEIGHBOURS,
    }
    return {"data": data, "predictions": [prediction(record)]}


def prediction(record: BoundaryRecord) -> dict[str, Any]:
    """The model's most probable class as Label Studio writes it."""
    label, score = suggestion(record)
    value = {"choices": [label]}
    return {
        "model_version": record.model_hash,
        "score": score,
        "result": [{"id": "model", "from_name": "harm", "to_name": "text", "type": "choices", "value": value}],
    }


def tasks_of_export(content: bytes) -> list[Any]:
    """The tasks in a JSON export.

    Raises:
        DataError: it is not a complete JSON array in UTF-8.
    """
    try:
        tasks = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}") from error
    if not isinstance(tasks, list):
        raise DataError(f"expected an array of tasks, got {type(tasks).__name__}")
    return tasks


def rows_of_export(
    tasks: Iterable[Any],
    people: Mapping[int, str],
    source: str,
    label_map: Mapping[str, str] | None = None,
) -> Iterator[tuple[Mapping[str, Any], list[LabelRow]]]:
    """The data of each task of a JSON export with its answers (CSV and JSON_MIN silently drop skipped tasks).

    Args:
        tasks: the export.
        people: user id to name.
        source: for reports.
        label_map: see `read_row`.
    """
    for place, each in enumerate(tasks, 1):
        task_of = each if isinstance(each, dict) else {}
        data, annotations = task_of.get("data"), task_of.get("annotations") or []
        if not isinstance(data, dict) or not isinstance(annotations, list):
            yield {}, [LabelRow(source, place, None, "expected a task with data and annotations, as exported")]
            continue
        yield data, [_row(source, place, data, annotation, people, label_map) for annotation in annotations]


def _row(
    source: str,
    place: int,
    data: Mapping[str, Any],
    annotation: Any,
    people: Mapping[int, str],
    label_map: Mapping[str, str] | None,
) -> LabelRow:
    """The row of one annotation, numbered by its id, or by the position of its task if it has none."""
    number = annotation.get("id") if isinstance(annotation, dict) else None
    line = number if isinstance(number, int) else place
    try:
        values = _values(data, annotation, people)
    except DataError as error:
        return LabelRow(source, line, None, str(error))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as error:
        return LabelRow(source, line, None, f"not an annotation as exported: {error!r}")
    return read_row(source, line, values, label_map)


def _values(data: Mapping[str, Any], annotation: Mapping[str, Any], people: Mapping[int, str]) -> dict[str, Any]:
    results = {name: [r["value"] for r in annotation["result"] if r["from_name"] == name] for name in ("harm", "why")}
    comments = [r["value"]["text"] for r in annotation["result"] if r["from_name"] == "comment"]
    if annotation.get("was_cancelled"):
        label = SKIP
    elif results["harm"]:
        label = results["harm"][-1]["choices"][0]
    else:
        raise DataError("the annotation names no class")
    person = annotation["completed_by"]
    person = person["id"] if isinstance(person, dict) else person
    seen = annotation.get("prediction") or {}
    return {
        "uid": data.get("uid", ""),
        "annotator": people.get(person, f"user {person}"),
        "label": label,
        "labelled_at": annotation.get("updated_at") or annotation["created_at"],
        "tool": "label_studio",
        "batch_id": data.get("batch_id", ""),
        "text_hash": data.get("text_hash"),
        "spans": [] if label == SKIP else [realign(data["text"], value) for value in results["why"]],
        "comment": "\n".join(part for text in comments for part in ([text] if isinstance(text, str) else text)),
        "seconds": annotation.get("lead_time"),
        "raw_seconds": annotation.get("lead_time"),
        "shown_prediction": bool(seen),
        "changed_from_suggestion": _label_of(seen) != label if seen else None,
    }


def _label_of(seen: Mapping[str, Any]) -> str | None:
    choices = [r["value"]["choices"][0] for r in seen.get("result") or () if r.get("from_name") == "harm"]
    return choices[0] if choices else None


def realign(text: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A marked passage in code points.

    Browsers count UTF-16 units, so an emoji before the passage shifts its offsets; the exported passage shows which
    counting was used. As a last resort, the occurrence of the passage nearest to either is used.

    Raises:
        DataError: the passage does not occur in the text.

    Example:
        >>> realign("😀 he fell", {"start": 3, "end": 10, "text": "he fell"})
        {'start': 2, 'end': 9, 'text': 'he fell'}
        >>> realign("fall and then a fall", {"start": 17, "end": 21, "text": "fall"})
        {'start': 16, 'end': 20, 'text': 'fall'}
    """
    start, end = int(value["start"]), int(value["end"])
    passage = value.get("text") or text[start:end]
    units = text.encode("utf-16-le", "surrogatepass")
    shifted = len(units[: 2 * start].decode("utf-16-le", "replace"))
    exact = [place for place in (start, shifted) if text.startswith(passage, place)]
    places = exact or [i for i in range(len(text)) if text.startswith(passage, i)]
    if not places or not passage:
        raise DataError(f"the marked passage {passage!r} is not in the text")
    place = exact[0] if exact else min(places, key=lambda i: min(abs(i - start), abs(i - shifted)))
    return {"start": place, "end": place + len(passage), "text": passage}
