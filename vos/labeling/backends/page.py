"""The offline labelling page: one HTML file that collects, stores and exports answers without a network."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from vos.errors import ConfigError
from vos.labeling.assignment import suffix_for
from vos.labeling.instructions import Instructions, InstructionSettings, neutral_question
from vos.labeling.label import RESERVED, UNSURE, answer_of, exact_hash
from vos.labeling.records import BoundaryRecord
from vos.page.join import bundle, csp_hash, fill, kit_style, safe_json
from vos.storage.atomic import write_atomically

KEYS = "1234567890adefhijklmoqrtuvwxyz"
"""Keys of the answers, in order; the other letters have other functions in the page. Further answers have no key."""

ENTRY = "labeling/backends/page_files/main.js"

CONTENT_NOTE = (
    "Some of these texts describe harm to people. You may blur them, pause at any time, and skip what you would rather "
    "not judge."
)


IMPORT = "python train.py run=RUN labels=files labels.path={FILE} ledger=LEDGER"
"""Default import command; `{FILE}` is replaced by the name of the downloaded file."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A labelled text, shown for comparison.

    Attributes:
        text: the text.
        label: its class name.
    """

    text: str
    label: str


@dataclass(frozen=True)
class PageSettings(InstructionSettings):
    """How a batch is presented to people.

    Attributes:
        title: title of the page.
        content_note: note on the content, shown before people start.
        mode: "blind": the file contains no suggestions; "reveal": the model's suggestion is shown after the answer;
            "assisted": before it. Suggestions bias people, so every answer records what was shown.
        blur: whether texts are blurred at first.
        repeat_share: share of texts asked twice, unannounced, to measure self-agreement.
        break_every: number of answers after which the page suggests a break.
        max_items: largest number of texts in one page; a longer batch becomes several pages.
    """

    title: str = "Judging texts"
    content_note: str = CONTENT_NOTE
    mode: Literal["blind", "reveal", "assisted"] = "blind"
    blur: bool = False
    repeat_share: float = 0.05
    break_every: int = 50
    max_items: int = 250

    def __post_init__(self) -> None:
        InstructionSettings.__post_init__(self)
        if self.mode not in ("blind", "reveal", "assisted"):
            raise ConfigError(f"labeling.mode: expected 'blind', 'reveal' or 'assisted', got {self.mode!r}")
        if not 0 <= self.repeat_share <= 0.5 or self.break_every < 1 or self.max_items < 1:
            raise ConfigError(
                f"labeling: expected repeat_share in [0, 0.5], break_every and max_items of at least 1, got {self}"
            )

    def check_server(self) -> None:
        """Refuse settings that only the offline page supports.

        Raises:
            ConfigError: mode is "reveal".
        """
        if self.mode == "reveal":
            raise ConfigError("labeling.mode=reveal works on the offline page only; use blind or assisted")


@dataclass(frozen=True)
class PageBatch:
    """A batch to present to people.

    Attributes:
        batch_id: id in the ledger.
        records: the texts, possibly with gold texts, which look like the others.
        classes: class name, as written by `answer_of`, to its title on the button, in the order of the keys 1, 2, ...
        neighbours: uid to labelled texts, shown on request.
        annotator: name of the person; "": entered by whoever opens the page.
        question: question used if the settings have none; "": asks which class fits.
        guidelines: guidelines of that question.
        import_command: command that imports the answers; `{FILE}` stands for the downloaded file.
    """

    batch_id: str
    records: Sequence[BoundaryRecord]
    classes: Mapping[str, str]
    neighbours: Mapping[str, Sequence[Neighbour]] = field(default_factory=dict)
    annotator: str = ""
    question: str = ""
    guidelines: str = ""
    import_command: str = IMPORT

    def __post_init__(self) -> None:
        if not self.records:
            raise ConfigError(f"batch {self.batch_id}: expected at least one text, got none")
        if len(self.classes) < 2 or set(RESERVED) & set(self.classes):
            raise ConfigError(
                f"expected at least 2 classes, none an answer of {RESERVED} (see `answer_of`), got {list(self.classes)}"
            )

    @property
    def choices(self) -> dict[str, str]:
        """Classes and "unsure" with their titles, in the order of the keys."""
        taken = {title.casefold() for title in self.classes.values()}
        return {**self.classes, UNSURE: "Unsure" if "unsure" not in taken else "I cannot decide"}

    def instructions(self, settings: InstructionSettings) -> Instructions:
        """Question and guidelines, see `InstructionSettings.instructions`."""
        own = self.question or neutral_question(list(self.classes.values()))
        return settings.instructions(Instructions(own, self.guidelines))


def suggestion(record: BoundaryRecord) -> tuple[str, float]:
    """The model's most probable class, as written by `answer_of`, and its probability."""
    label = max(record.probability, key=record.probability.__getitem__)
    return answer_of(label), float(record.probability[label])


def write_pages(folder: Path, batch: PageBatch, settings: PageSettings) -> tuple[Path, ...]:
    """Write `label.html`, or `label-1.html`, `label-2.html`, ... for a batch too long for one sitting.

    For a named person the files are `label-NAME.html`, `label-NAME-1.html`, ...

    The page draws the order of the texts for each person, seeded by the batch id and the name.

    Returns: the files.
    """
    n = len(batch.records)
    parts = -(-n // settings.max_items)
    paths = []
    for part in range(parts):
        stem = f"label{suffix_for(batch.annotator)}"
        name = f"{stem}.html" if parts == 1 else f"{stem}-{part + 1}.html"
        records = batch.records[part * n // parts : (part + 1) * n // parts]
        title = settings.title if parts == 1 else f"{settings.title}, part {part + 1} of {parts}"
        page = page_html(replace(batch, records=records), replace(settings, title=title), part)
        write_atomically(folder / name, page)
        paths.append(folder / name)
    return tuple(paths)


def page_html(batch: PageBatch, settings: PageSettings, part: int = 0) -> str:
    """The HTML of one page for the whole batch.

    Script and style are inline and allowed only by their hashes; the content security policy forbids all requests, so
    that nothing can leave the page even if a text contained code.
    """
    files = resources.files("vos.labeling.backends").joinpath("page_files")
    style = kit_style() + files.joinpath("page.css").read_text(encoding="utf-8")
    script = bundle(resources.files("vos"), ENTRY)
    values = {
        "STYLE_HASH": csp_hash(style),
        "SCRIPT_HASH": csp_hash(script),
        "TITLE": html.escape(settings.title),
        "STYLE": style,
        "SCRIPT": script,
        "BATCH": safe_json(_content(batch, settings, part)),
    }
    return fill(files.joinpath("page.html").read_text(encoding="utf-8"), values)


def _content(batch: PageBatch, settings: PageSettings, part: int) -> dict[str, Any]:
    shown = asdict(settings)
    del shown["max_items"]
    return {
        "batch_id": batch.batch_id,
        "part": part,
        "annotator": batch.annotator,
        **shown,
        **asdict(batch.instructions(settings)),
        "import_command": batch.import_command,
        "keys": KEYS,
        "classes": [{"name": name, "title": title} for name, title in batch.choices.items()],
        "items": [_item(record, batch.neighbours.get(record.uid, ()), settings.mode) for record in batch.records],
    }


def _item(record: BoundaryRecord, neighbours: Sequence[Neighbour], mode: str) -> dict[str, Any]:
    """The data of one text; in blind mode without score, side, source and target, not even hidden."""
    item: dict[str, Any] = {"uid": record.uid, "text": record.text, "text_hash": exact_hash(record.text)}
    if neighbours:
        item["neighbours"] = [{"label": answer_of(each.label), "text": each.text} for each in neighbours]
    if mode != "blind":
        item["suggestion"] = dict(zip(("label", "probability"), suggestion(record), strict=True))
    return item
