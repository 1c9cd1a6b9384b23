"""Which output of a model means which class of the data: decided by names or settings, never by their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from vos.errors import ConfigError
from vos.harmful import fold_name

LabelMap = Mapping[str | int, str | int]
"""Output (name or index) to class name."""


def _numbered(name: object) -> str:
    """Read LABEL_i, the name that transformers gives to an unnamed output i, as the class name `i`."""
    return re.sub(r"^label(\d+)$", r"\1", fold_name(name))


FOLDS: tuple[Callable[[object], str], ...] = (str, fold_name, _numbered)
"""Ways to compare names, strictest first; a looser one is used only for names that stricter ones do not match."""


def match_outputs(
    outputs: Sequence[str], classes: Sequence[str], label_map: LabelMap | None = None, exclusive: bool = True
) -> list[int]:
    """Return, for each class, the index of its output.

    If exactly one output and one class are left unmatched, they are matched, because every text has one class.

    Args:
        outputs: names of the model's C outputs.
        classes: names of the data's C classes.
        label_map: output to class, for names that do not match; it takes precedence over names.
        exclusive: whether a text has exactly one class (softmax); if it may have several, a single left-over pair is
            not matched.

    Raises:
        ConfigError: the numbers differ, `label_map` has an unknown name, or the names do not match.

    Example:
        >>> match_outputs(["HARM", "SAFE"], ["safe", "harm"])
        [1, 0]
    """
    if len(outputs) != len(classes):
        raise ConfigError(
            f"model: expected an output for each of the data's {len(classes)} classes {list(classes)}, found "
            f"{len(outputs)}: {list(outputs)}; use a model with these outputs, or model=encoder"
        )
    found = read_label_map(outputs, classes, label_map)
    for key in FOLDS:
        open_outputs = [i for i in range(len(outputs)) if i not in found]
        open_classes = [c for c in range(len(classes)) if c not in found.values()]
        by_output = _unique({i: key(outputs[i]) for i in open_outputs})
        by_class = _unique({c: key(classes[c]) for c in open_classes})
        found |= {by_output[name]: by_class[name] for name in by_output if name in by_class}
    left = [i for i in range(len(outputs)) if i not in found]
    if exclusive and len(left) == 1 and len(outputs) > 1:
        found[left[0]] = next(c for c in range(len(classes)) if c not in found.values())
    if len(found) < len(outputs):
        raise _unsettled(outputs, classes)
    return sorted(found, key=lambda i: found[i])


def class_of_output(output: str, classes: Sequence[str], label_map: LabelMap | None = None) -> int:
    """Return the index of the class that a model's only output stands for.

    Raises:
        ConfigError: `label_map` has an unknown name, or the output's name matches no class.

    Example:
        >>> class_of_output("Safe", ["harm", "safe"])
        1
    """
    mapped = read_label_map([output], classes, label_map)
    if mapped:
        return mapped[0]
    for key in FOLDS[:2]:  # a single unnamed output is called LABEL_0 whatever it means
        same = [c for c, name in enumerate(classes) if key(name) == key(output)]
        if len(same) == 1:
            return same[0]
    raise _unsettled([output], classes)


def find_output(outputs: Sequence[str], wanted: str | int, setting: str) -> int:
    """Return the index of the output that a setting names, by name (in any spelling) or by index.

    Raises:
        ConfigError: no such output, or several.
    """
    for key in FOLDS[:2]:
        same = [i for i, name in enumerate(outputs) if key(name) == key(wanted)]
        if len(same) == 1:
            return same[0]
    if str(wanted).isdecimal() and int(wanted) < len(outputs):
        return int(wanted)
    raise ConfigError(
        f"{setting}: expected one of the model's outputs {list(outputs)} or an index below {len(outputs)}, "
        f"got {wanted!r}"
    )


def with_positive(
    outputs: Sequence[str],
    classes: Sequence[str],
    harmful: Sequence[int],
    label_map: LabelMap | None,
    positive_label: str | int | None,
) -> LabelMap | None:
    """Return `label_map` with `positive_label` added as an output of the harmful class.

    Args:
        outputs: names of the model's outputs.
        classes: names of the data's classes.
        harmful: indices of the harmful classes.
        label_map: output to class.
        positive_label: name or index of an output; None leaves `label_map` as it is.

    Raises:
        ConfigError: not exactly one class is harmful, or the output or its class is already matched otherwise.
    """
    if positive_label is None:
        return label_map
    place = find_output(outputs, positive_label, "model.positive_label")
    output = outputs[place]
    harm = classes[harmful_class(classes, harmful, output)]
    same = [name for name in classes if fold_name(name) == fold_name(output)]
    if same and same != [harm]:
        raise ConfigError(
            f"model.positive_label: the output {output!r} has the name of the class {same[0]!r}, and the harmful class "
            f"is {harm!r}; set data.positive={same[0]}, or another output"
        )
    namesake = [name for i, name in enumerate(outputs) if i != place and fold_name(name) == fold_name(harm)]
    if namesake:
        raise ConfigError(
            f"model.positive_label: expected the output with the name of the harmful class, {namesake[0]!r}, found "
            f"{output!r}; to count several outputs as {harm!r}, use model.label_map instead"
        )
    return {**(label_map or {}), output: harm}


def harmful_class(classes: Sequence[str], harmful: Sequence[int], output: str) -> int:
    """Return the index of the harmful class that `model.positive_label` refers to; of several, the one with its name.

    Raises:
        ConfigError: no class is harmful, or several are and none has the output's name.
    """
    harmful = [c for c in harmful if fold_name(classes[c]) == fold_name(output)] or harmful
    if len(harmful) != 1:
        raise ConfigError(
            f"model.positive_label: expected data with one harmful class, found {[classes[c] for c in harmful]} of "
            f"{list(classes)}; set data.positive, or say with model.label_map which class each output means"
        )
    return harmful[0]


def group_outputs(
    outputs: Sequence[str], classes: Sequence[str], label_map: LabelMap | None = None, rest: int | None = None
) -> list[int]:
    """Return the class of each output, if several outputs mean one class.

    Args:
        outputs: names of the model's outputs, more than there are classes.
        classes: names of the data's classes.
        label_map: output to class; it takes precedence over names.
        rest: the class of the outputs that are not in `label_map`; None: decided by their names.

    Raises:
        ConfigError: `label_map` has an unknown name, a name matches no class, or a class has no output.

    Example:
        >>> group_outputs(["Hate", "Offensive", "Neither"], ["safe", "hate"], {"Hate": "hate"}, rest=0)
        [1, 0, 0]
    """
    found = read_label_map(outputs, classes, label_map, shared=True)
    for key in () if rest is not None else FOLDS:
        by_name = _unique({c: key(name) for c, name in enumerate(classes)})
        found = {i: by_name[key(name)] for i, name in enumerate(outputs) if key(name) in by_name} | found
    group = [found.get(i, rest) for i in range(len(outputs))]
    settled = [c for c in group if c is not None]
    if len(settled) < len(group):
        raise _unsettled(outputs, classes)
    if absent := [name for c, name in enumerate(classes) if c not in settled]:
        raise ConfigError(f"model.label_map: expected an output for every class, none of {list(outputs)} is {absent}")
    return settled


def read_label_map(
    outputs: Sequence[str], classes: Sequence[str], label_map: LabelMap | None, shared: bool = False
) -> dict[int, int]:
    """Return `label_map` with indices, output to class; empty for None.

    Args:
        outputs: names of the model's outputs.
        classes: names of the data's classes.
        label_map: output to class.
        shared: whether several outputs may mean one class.

    Raises:
        ConfigError: an unknown output or class, or one that is named twice.
    """
    found: dict[int, int] = {}
    for wanted, name in (label_map or {}).items():
        output = find_output(outputs, wanted, "model.label_map")
        same = [c for c, each in enumerate(classes) if each == str(name)]
        same = same or [c for c, each in enumerate(classes) if fold_name(each) == fold_name(name)]
        if len(same) != 1:
            raise ConfigError(f"model.label_map: expected one of the classes {list(classes)}, got {name!r}")
        if output in found or (same[0] in found.values() and not shared):
            raise ConfigError(
                f"model.label_map: expected each output and each class once, found {outputs[output]!r}: "
                f"{classes[same[0]]!r} beside another of the same"
            )
        found[output] = same[0]
    return found


def _unique(names: Mapping[int, str]) -> dict[str, int]:
    """Index by name, of the names that occur once."""
    every = list(names.values())
    return {name: i for i, name in names.items() if every.count(name) == 1}


def _unsettled(outputs: Sequence[str], classes: Sequence[str]) -> ConfigError:
    entries = ", ".join(f"{output}: ..." for output in outputs)
    several = ", where several outputs may mean one class, or name the harmful one with model.positive_label"
    several = several if len(outputs) > len(classes) else ""
    return ConfigError(
        f"model.label_map: the names do not say which class an output means; outputs {list(outputs)}, classes "
        f"{list(classes)}; say it with model.label_map='{{{entries}}}'{several}"
    )
