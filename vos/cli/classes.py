"""The classes of a run, and which are harmful: printed once, and reused by everything that continues the run."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hydra.utils import instantiate
from omegaconf import DictConfig

from vos.cli.signatures import node_parameters
from vos.data import TextData
from vos.errors import ConfigError
from vos.harmful import NO_HARM, harmful_in_words
from vos.models import saved_classes
from vos.storage.run_directory import RunDirectory

logger = logging.getLogger(__name__)


def load_data(config: DictConfig) -> TextData:
    """Load the texts of a training configuration, and print which classes are harmful.

    With an earlier run (`run=RUN`) the classes have its order, and unless `data.positive` is given, the harmful classes
    are those of that run.

    Raises:
        ConfigError: the class names do not decide which are harmful, or the earlier run has different classes.
    """
    given = config.data.get("positive")
    why = "" if given is not None or "positive" not in node_parameters(config.data) else ", told by their names"
    if config.run is None:
        data: TextData = instantiate(config.data).load()
    else:
        RunDirectory(config.run).open_finished()
        RunDirectory(config.run).check_files()
        names, harmful = saved_classes(RunDirectory(config.run).model)
        try:
            data = load_as_before(config.data, names, harmful)
        except ConfigError as error:
            raise ConfigError(f"run={config.run}: {error}") from error
        why = "" if given is not None else f", as in run={config.run}"
    advice = "" if given is not None or not why else "; data.positive=CLASS or [CLASS,...] or none says otherwise"
    logger.info("classes: %s%s%s", harmful_in_words(data.classes), why, advice)
    return data


def load_as_before(node: DictConfig, names: tuple[str, ...], harmful: Sequence[int]) -> TextData:
    """Load the texts of the group `data` with the classes of an earlier run, in its order.

    Args:
        node: the group `data` of the configuration.
        names: names of the classes of that run, in index order.
        harmful: indices of its harmful classes, used if the group does not name them itself.

    Raises:
        ConfigError: the classes differ.
    """
    own = {}
    # `positive` of the group is passed on as written: a list of labels becomes one class with its own name.
    if node.get("positive") is None and "positive" in node_parameters(node):
        own = {"positive": [names[c] for c in harmful] or NO_HARM}
    data: TextData = instantiate(node, **own).load()
    return data.in_order(names)
