"""The classes of a run: which are harmful, said once and read again by everything that goes on from it."""

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
    """The texts that a training configuration describes; the first lines of a run say which classes are harmful.

    Going on from a run (`run=RUN`), the classes have its order, and where `data.positive` is not given the harmful
    classes are those of that run.

    Raises:
        ConfigError: the names of the classes do not tell which are harmful, or the run has other classes.
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
    """The texts of the group `data` with the classes of an earlier run, in its order.

    Args:
        node: the group.
        names: of the classes of that run, in index order.
        harmful: indices of its harmful classes, for a group that does not name them itself.

    Raises:
        ConfigError: other classes.
    """
    own = {}
    # What the group names stays as it was written: from lists of labels it makes one class with a name of its own.
    if node.get("positive") is None and "positive" in node_parameters(node):
        own = {"positive": [names[c] for c in harmful] or NO_HARM}
    data: TextData = instantiate(node, **own).load()
    return data.in_order(names)
