"""`python synthesize.py verify=FILE`: check a batch from its texts, with the run and the settings it was made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vos.cli.quiet import quiet_libraries
from vos.cli.saved_settings import check_addresses, saved_settings
from vos.cli.synthesize import SETTINGS_FILE, build_job, open_run
from vos.console import print_facts, print_paths, say
from vos.data.records import FilePool
from vos.errors import ConfigError
from vos.models import ClassifierFeaturizer
from vos.storage.commands import command
from vos.synthesis.mismatches import Verification
from vos.synthesis.verify import check_is_there, verify

ALLOWED = ("verify", "verification", "run", "device", "paths", "progress")
"""Settings that may be given together with `verify`; all others come from the file."""

TARGETS = ("per_target", "index", "approximate")
"""Settings of acquisition=targets that earlier versions had under `candidates`."""

SHOWN = 20
"""Largest number of mismatches that are printed."""


def run_verification(config: DictConfig, overrides: Sequence[str]) -> Verification:
    """Check the file and print what was checked: counts, and every mismatch up to a limit; never a text.

    Raises:
        ConfigError: the file or its settings are missing, or other settings than the file's are given.
        DataError: the file is damaged, or has no texts.
        RunError: the run is incomplete, or its data or model have changed since.
    """
    quiet_libraries()
    path = Path(config.verify)
    job_config = _settings_of(path, config, overrides)
    run, data, classifier = open_run(job_config)
    if job_config.pool.path is not None:
        # Opened when it is read: most batches are verified without their pool, which may be gone.
        data = replace(data, pool=FilePool(job_config.pool.path, lambda: iter(instantiate(job_config.pool).open())))
    job = build_job(job_config, run, data, ClassifierFeaturizer(classifier, device=config.device))
    result = verify(path, job, instantiate(config.verification))
    _print(path, result)
    return result


def _settings_of(path: Path, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The settings stored with the file, with the run and the hardware of the command line."""
    others = [each for each in overrides if each.lstrip("+~").split("=")[0].split(".")[0] not in ALLOWED]
    if others:
        raise ConfigError(f"verify: the settings are those of the file, leave out {others}; allowed: {list(ALLOWED)}")
    check_is_there(path)
    beside = path.with_name(SETTINGS_FILE)
    if not beside.exists():
        raise ConfigError(
            f"verify={path}: expected the settings of the batch in {beside}, found none; copy it there from where the "
            f"batch was made, or make the batch again, for example with: {command('synthesize')} run=RUN output=FOLDER"
        )
    saved = _as_now(saved_settings(beside))
    check_addresses(beside, saved, None)
    given = {"device": config.device, "paths": config.paths}
    if not OmegaConf.is_missing(config, "run"):
        given["run"] = config.run
    merged = OmegaConf.merge(saved, given)
    assert isinstance(merged, DictConfig)  # noqa: S101 - a mapping was saved
    return merged


def _as_now(saved: DictConfig) -> DictConfig:
    """Convert the settings of a batch from before the group `acquisition` existed."""
    if "acquisition" not in saved:
        moved = {name: saved.candidates.pop(name) for name in TARGETS if name in saved.candidates}
        saved.acquisition = {"_target_": "vos.mining.acquisition.TargetAcquisition", **moved}
    return saved


def _print(path: Path, result: Verification) -> None:
    print_paths({"file": path})
    rows = [
        ("texts", f"{result.texts}, {result.made} of them made by a language model"),
        ("values compared", str(result.values)),
        ("targets made again", str(result.reproduced)),
        *(("made texts not made again", f"{n}: {reason}") for reason, n in result.not_reproduced.items()),
        ("mismatches", str(len(result.mismatches))),
    ]
    print_facts("Verification", rows)
    for mismatch in result.mismatches[:SHOWN]:
        say(str(mismatch))
    if len(result.mismatches) > SHOWN:
        say(f"and {len(result.mismatches) - SHOWN} more")
    if result.mismatches:
        say(
            f"{len(result.mismatches)} numbers of this file are not what its run gives: the file, the run or its data "
            "were changed; make the batch again with overwrite=true, or restore what was changed."
        )
    else:
        say("Every number of this file follows from its texts and its run.")
