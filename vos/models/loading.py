"""Load a classifier that `TextClassifier.save` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vos.errors import ModelError
from vos.models.base import FORMAT_VERSION, TextClassifier, harmful_of
from vos.models.encoder import EncoderClassifier
from vos.models.pretrained import PretrainedClassifier

KINDS: dict[str, type[EncoderClassifier] | type[PretrainedClassifier]] = {
    "encoder": EncoderClassifier,
    "pretrained": PretrainedClassifier,
}


def saved_classes(directory: str | Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the class names of the data in index order and the indices of the harmful ones, from a saved classifier.

    Args:
        directory: folder of the classifier.

    Raises:
        ModelError: see `load_classifier`.
    """
    facts = _facts(Path(directory))
    harmful = harmful_of(facts)
    if "data_classes" not in facts:
        return tuple(facts["label_names"]), harmful
    return tuple(facts["data_classes"]), tuple(sorted({facts["class_of_output"][i] for i in harmful}))


def saved_harmful(directory: str | Path) -> list[str]:
    """Return the names of the harmful outputs of the classifier in `directory`.

    Raises:
        ModelError: see `load_classifier`.
    """
    facts = _facts(Path(directory))
    return [facts["label_names"][i] for i in harmful_of(facts)]


def load_classifier(directory: str | Path, **changes: Any) -> TextClassifier:
    """Load the classifier in `directory`, in evaluation mode.

    Args:
        directory: folder of the classifier.
        **changes: new values of `max_length`, `truncation_side` or `dropout`, see `EncoderClassifier`.

    Raises:
        ModelError: `vos.json` is missing, unreadable, or of another format version.
        ConfigError: a new value does not fit the model.
    """
    directory = Path(directory)
    facts = _facts(directory) | changes
    try:
        classifier = KINDS[facts["kind"]].load(directory, facts).eval()
        if "data_classes" in facts:  # older folders have a class for each output
            classifier.count_as(facts["data_classes"], facts["class_of_output"])
        return classifier
    except KeyError as error:
        raise ModelError(
            f"{directory / 'vos.json'}: expected the entry {error}, found {sorted(facts)}; write the model again"
        ) from error


def _facts(directory: Path) -> dict[str, Any]:
    path = directory / "vos.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(facts, dict):
            raise ValueError(f"no JSON object but {facts!r:.40}")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: expected a model folder written by this package, got: {error}") from error
    if facts.get("format_version") != FORMAT_VERSION or facts.get("kind") not in KINDS:
        raise ModelError(
            f"{path}: expected format_version {FORMAT_VERSION} and kind in {sorted(KINDS)}, got "
            f"{facts.get('format_version')!r} and {facts.get('kind')!r}; write the model again with this version"
        )
    _check_classes(path, facts)
    return facts


def _check_classes(path: Path, facts: Mapping[str, Any]) -> None:
    """Refuse names of outputs and classes that do not fit each other: somebody changed the file."""
    names = _names(path, facts, "label_names")
    if "harmful" in facts and not set(_names(path, facts, "harmful")) <= set(names):
        raise ModelError(f"{path}: harmful: expected some of {names}, found {facts['harmful']!r:.200}")
    if "data_classes" in facts:
        n, places = len(_names(path, facts, "data_classes")), facts.get("class_of_output")
        known = isinstance(places, list) and all(type(place) is int and 0 <= place < n for place in places)
        if not known or len(places or ()) != len(names):
            raise ModelError(
                f"{path}: class_of_output: expected for each of {len(names)} outputs the index of one of {n} classes, "
                f"found {places!r:.200}"
            )


def _names(path: Path, facts: Mapping[str, Any], entry: str) -> list[str]:
    names = facts.get(entry)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len({*names}) != len(names):
        raise ModelError(f"{path}: {entry}: expected a list of different names, found {names!r:.200}")
    return names
