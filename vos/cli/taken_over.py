"""Which overrides of an earlier run a run takes over, so that its command line means what it says."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from vos.cli.groups import group_of

logger = logging.getLogger(__name__)

ONE_SHOT = ("run", "resume", "labels", "dry_run", "accept_rejected", "warm_start")
"""Settings about one run: which answers it imported, and how it began. A run that starts from it has its own."""


STUDY = "trainer.max_epochs=0"
"""The setting that measures a classifier without training it."""


def without_one_shot(saved: Sequence[str]) -> list[str]:
    """Drop the settings that were about the earlier run alone.

    Example:
        >>> without_one_shot(["seed=1", "labels=files", "labels.path=a.csv", "~exposure", "labels_seen=2"])
        ['seed=1', '~exposure', 'labels_seen=2']
    """
    return [each for each in saved if re.split(r"[.@/=]", each.lstrip("+~"))[0] not in ONE_SHOT]


def without_study(saved: Sequence[str], given: Sequence[str]) -> list[str]:
    """Drop `trainer.max_epochs=0`, by which the earlier run studied a classifier as it was, if there are new answers.

    Example:
        >>> without_study(["seed=1", "trainer.max_epochs=0"], ["run=a", "labels=oracle"])
        ['seed=1']
        >>> without_study(["seed=1", "trainer.max_epochs=0"], ["run=a"])
        ['seed=1', 'trainer.max_epochs=0']
    """
    if not any(each.startswith("labels=") and each != "labels=[]" for each in given) or STUDY not in saved:
        return list(saved)
    logger.info("not taken over, as new answers are to be trained on: %s", STUDY)
    return [each for each in saved if each != STUDY]


def without_replaced(saved: Sequence[str], given: Sequence[str], *, start: bool) -> list[str]:
    """Drop the saved settings of options that the command line replaces, and say so.

    With `resume` a setting is dropped only if the new option does not have it.

    Args:
        saved: overrides of the earlier run.
        given: overrides of the command line.
        start: the run starts from the earlier one (`run=`), and does not finish it (`resume=`).
    """
    parser = OverridesParser.create()
    old, new = parser.parse_overrides(list(saved)), parser.parse_overrides(list(given))
    chosen = {each.get_key_element().lstrip("+~") for each in new if group_of(each)}
    if not chosen:
        return list(saved)
    kept_groups = [each for each in old if group_of(each) and each.get_key_element().lstrip("+~") not in chosen]
    before = _composed([each for each in old if group_of(each)])
    after = _composed([*kept_groups, *(each for each in new if group_of(each))])
    changed = {_package(name) for name in {*_choices(before), *_choices(after)} if _differ(before, after, name)}
    direct = {_package(name) for name in chosen} & changed if start else set[str]()

    def stays(override: Override) -> bool:
        if group_of(override):
            return override in kept_groups
        name = str(override.key_or_group)
        if any(name.startswith(f"{package}.") for package in direct):
            return False
        replaced = any(name.startswith(f"{package}.") for package in changed)
        return override.is_add() or not replaced or _has(after, name)

    dropped = [str(each.input_line) for each in old if not group_of(each) and not stays(each)]
    if dropped:
        options = ", ".join(str(each.input_line) for each in new if group_of(each))
        logger.info("not taken over, as %s has settings of its own: %s", options, ", ".join(dropped))
    return [str(each.input_line) for each in old if stays(each)]


def _composed(overrides: Sequence[Override]) -> DictConfig:
    return compose("train", overrides=[str(each.input_line) for each in overrides], return_hydra_config=True)


def _choices(config: DictConfig) -> Mapping[str, object]:
    return {str(name): option for name, option in config.hydra.runtime.choices.items()}


def _differ(before: DictConfig, after: DictConfig, name: str) -> bool:
    return str(_choices(before).get(name)) != str(_choices(after).get(name))


def _package(choice: str) -> str:
    """Where the settings of a group lie: `a/b` at a.b, `a@c` at c."""
    return choice.partition("@")[2] or choice.replace("/", ".")


def _has(config: DictConfig, name: str) -> bool:
    """Whether a setting exists, whatever its value."""
    parent, _, key = name.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return OmegaConf.is_dict(node) and key in node
