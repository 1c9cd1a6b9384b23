"""The texts that a run is trained on: those of its data, of an earlier run's labels, and of new answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from vos.cli.classes import load_data
from vos.cli.kinds import nearest
from vos.cli.labels import import_labels, merge_labels, news
from vos.cli.saved_settings import plain_overrides
from vos.console import say, short
from vos.data import TextData
from vos.errors import ConfigError, RunError
from vos.harmful import Classes
from vos.loop.next_round import NextRound, keep_round, keep_train, stored_round, with_earlier_labels, with_kept_train
from vos.storage.run_directory import RunDirectory
from vos.training.measurable import can_be_measured, measurable


def load_texts(config: DictConfig, overrides: Sequence[str], run: RunDirectory) -> tuple[TextData, NextRound | None]:
    """The run's texts; with `labels`, people's answers are imported and merged.

    A resumed run keeps the training texts it started with, even if there are new answers.

    Raises:
        RunError: the folder holds a run with other answers.
        ConfigError: `optimized_metric` cannot be measured on these texts.
    """
    data = load_data(config)
    _check_optimized(str(config.optimized_metric), data)
    if OmegaConf.select(config, "labels"):
        if config.dry_run:
            report = import_labels(config, data.classes)
            say("Nothing was kept: the same command without dry_run=true imports these answers and trains with them.")
            raise SystemExit(report.exit_code)
        refuse_other_answers(config, overrides, run, data.classes)
    if run.train.exists():
        kept = with_kept_train(data, run.train)
        return kept, stored_round(run, kept)
    if not OmegaConf.select(config, "labels"):
        return (with_earlier_labels(data, RunDirectory(config.run).train) if config.run else data), None
    import_labels(config, data.classes)
    new = merge_labels(config, data)
    return new.data, replace(new, name=str(run.path))


def _check_optimized(name: str, data: TextData) -> None:
    if not can_be_measured(name, data):
        known = sorted(measurable(data))
        raise ConfigError(
            f"optimized_metric: {name!r} is not measured on these texts{nearest(name, known)}; expected one of "
            f"{', '.join(known)}"
        )


def keep_texts(config: DictConfig, run: RunDirectory, data: TextData, new: NextRound | None) -> None:
    """Store texts that the settings alone do not give: those of labels, new or of the run that this one continues."""
    if new is not None:
        keep_round(run, new)
    elif config.run and RunDirectory(config.run).train.exists():
        keep_train(run, data)


def refuse_other_answers(config: DictConfig, overrides: Sequence[str], run: RunDirectory, classes: Classes) -> None:
    """Refuse answers that the run in this folder was not begun with; a run that is resumed keeps those it has.

    Raises:
        RunError: see above.
    """
    path = run.path / "overrides.yaml"
    if not run.manifest_path.exists() or not path.exists():
        return
    before, now = _about_answers(plain_overrides(path)), _about_answers(overrides)
    if before == now and (config.resume or not run.train.exists() or not news(config, classes)):
        return
    holds = ", ".join(before) if before != now and before else "no answers" if before != now else "older answers"
    raise RunError(
        f"{short(run.path)}: holds a run with {holds}, and these were not imported; "
        "give another hydra.run.dir, or for that run leave labels out"
    )


def _about_answers(overrides: Sequence[str]) -> list[str]:
    """The overrides that decide where answers come from, in a fixed order; the last one of each name counts."""
    found = {}
    for each in OverridesParser.create().parse_overrides(list(overrides)):
        name = str(each.key_or_group)
        if name in ("labels", "ledger") or name.startswith("labels."):
            found[name] = f"{name}={each.value()}"
    return [found[name] for name in sorted(found)] if "labels" in found else []
