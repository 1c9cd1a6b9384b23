"""Checks every setting before any work: its name, type and range, and whether its constructor accepts it.

Types come from the signatures that receive the settings, read from the source code; ranges are checked by the
constructors themselves, each called here once. Settings without a signature are listed in `OWN` and `LIMITS`.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from vos.cli.kinds import accepts, choices, in_words, nearest, shown, takes_text
from vos.cli.signatures import Parameter, node_parameters
from vos.errors import ConfigError, VosError

MARKS = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")
"""Keys that Hydra reads itself."""

OWN = {
    "seed": "int",
    "run": "str | None",
    "resume": "str | None",
    "warm_start": "bool",
    "ledger": "str",
    "dry_run": "bool",
    "accept_rejected": "bool",
    "optimized_metric": "str",
    "n": "int",
    "output": "str | None",
    "overwrite": "bool",
    "progress": "bool",
    "device": "str",
    "verify": "str | None",
    "batch": "str | None",
    "tags": "str | None",
    "views": "list[str] | None",
    "only": "str | None",
    "blind": "bool",
    "n_texts": "int",
    "near_share": "float",
    "n_units": "int | Literal['all']",
    "n_outliers": "int",
    "dreams": "bool",
    "pool.path": "str | None",
    "pool.text": "str",
    "pool.id": "str | None",
    "loader.batch_size": "int",
    "precision": "Literal['auto', '32-true', 'bf16-mixed', '16-mixed']",
    "trainer.lightning.precision": "Literal['auto', '32-true', 'bf16-mixed', '16-mixed']",
    "runtime": "Literal['torch', 'openvino']",
    "loader.num_workers": "int",
    "trainer.max_epochs": "int",
    "density.memory": "Literal['all', 'queue']",
    "density.capacity": "int | None",
    "loss.label_smoothing": "float",
    "logger.csv": "bool",
    "logger.wandb.project": "str",
    "logger.wandb.mode": "Literal['offline', 'online', 'disabled']",
    "logger.wandb.name": "str | None",
    "logger.wandb.tags": "list[str]",
    "logger.wandb.texts": "bool",
    "paths.cache": "str",
    "paths.cache_gib": "float",
    "mix": "Settings",
    "stop": "Settings",
    "loader": "Settings",
    "refine": "Settings",
    "data": "Settings",
    "model": "Settings",
    "density": "Settings",
    "density.model": "Settings",
    "outliers": "Settings",
    "loss": "Settings",
    "loss.module": "Settings | None",
    "loss.settings": "Settings",
    "optimizer": "Settings",
    "schedule": "Settings",
    "trainer": "Settings",
    "trainer.lightning": "Settings",
    "logger": "Settings",
    "logger.wandb": "Settings | None",
    "callbacks": "Settings",
    "paths": "Settings",
    "acquisition": "Settings",
    "candidates": "Settings",
    "pool": "Settings",
    "verification": "Settings",
    "labeling": "Settings",
    "exposure": "Settings | None",
    "language_model": "Settings",
    "labels": "Settings | None",
    "simulation": "Settings | None",
}
"""Types of the settings that are not arguments of a class or function, or of which fewer values are allowed.

A run keeps weights in float32, so that those of a precision such as bf16-true would not be the ones that it measured.
"""

SEED, SHARE, POSITIVE = (0, 2**32 - 1), (0, 1), (1, math.inf)

LIMITS: Mapping[str, tuple[float, float]] = {
    "seed": SEED,
    "data.seed": SEED,
    "model.seed": SEED,
    "acquisition.approximate.seed": SEED,
    "n": POSITIVE,
    "loader.batch_size": POSITIVE,
    "loader.num_workers": (0, math.inf),
    "trainer.max_epochs": (0, math.inf),
    "density.capacity": POSITIVE,
    "data.val_share": SHARE,
    "data.test_share": SHARE,
    "data.pool_share": SHARE,
    "model.max_length": POSITIVE,
    "model.dropout": SHARE,
    "loss.label_smoothing": SHARE,
    "stop.target_fnr": SHARE,
    "paths.cache_gib": (0, math.inf),
    "candidates.selection.max_distance": (0, math.inf),
    "candidates.selection.max_margin": (0, math.inf),
}
"""Ranges of numbers whose constructor cannot be called yet, or does not check them."""

Build = Callable[[DictConfig], object]
"""Builds the object of a node, and raises if a value is refused."""


def check_settings(config: DictConfig, built: Mapping[str, Build]) -> None:
    """Check every setting; a number given for a string setting is converted to a string.

    Args:
        config: configuration of a program, without Hydra's own part.
        built: dotted name of a node to the function that builds it; nodes without a value are skipped.

    Raises:
        ConfigError: the first invalid setting: what was expected and found, and the nearest existing name.
    """
    _check_types(config)
    _check_limits(_plain(config, resolve=True), "")
    for name, build in built.items():
        node = OmegaConf.select(config, name)
        if node is not None and node.get("_target_", "") is not None:
            try:
                build(node)
            except ConfigError as error:
                raise ConfigError(_with_name(name, str(error))) from error


def _check_types(config: DictConfig) -> None:
    raw = _plain(config, resolve=False)
    for name, kind, value, written in _leaves(_plain(config, resolve=True), raw, ""):
        if value == "???" or (isinstance(written, str) and "${" in written):
            continue  # an interpolation: its target is checked itself
        if isinstance(value, int | float) and not accepts(kind, value) and takes_text(kind):
            OmegaConf.update(config, name, str(value).lower() if isinstance(value, bool) else str(value))
        elif not accepts(kind, value):
            near = nearest(value, map(str, choices(kind))) if isinstance(value, str) else ""
            raise ConfigError(f"{name}: expected {in_words(kind)}, got {shown(value)}{near}")


def _plain(config: DictConfig, *, resolve: bool) -> dict[str, Any]:
    found = OmegaConf.to_container(config, resolve=resolve)
    assert isinstance(found, dict)  # noqa: S101 - a DictConfig gives a dict
    return {str(key): value for key, value in found.items()}


def _leaves(node: Mapping[str, Any], raw: Any, path: str) -> Iterator[tuple[str, ast.expr, Any, Any]]:
    """Name, type, value and unresolved value of every setting whose type is known."""
    known = _known(node, path)
    for key, value in node.items():
        if key in MARKS:
            continue
        name, written = f"{path}{key}", raw.get(key) if isinstance(raw, dict) else None
        if known and key not in known:
            raise ConfigError(f"{name}: no such setting{nearest(key, known)}; --help lists every setting")
        kind = known[key].kind if key in known and name not in OWN else _parsed(OWN.get(name))
        if kind is not None:
            yield name, kind, value, written
        elif path == "" and name not in OWN:
            near = nearest(name, [each for each in node if each in OWN])
            raise ConfigError(f"{name}: no such setting{near}; --help lists every setting")
        if isinstance(value, dict) and not isinstance(written, str):  # an interpolated node is checked elsewhere
            yield from _leaves(value, written, f"{name}.")


def _known(node: Mapping[str, Any], path: str) -> Mapping[str, Parameter]:
    """Parameters of the class or function that a node builds; {} if it builds none, or accepts anything."""
    target = node.get("_target_")
    try:
        if str(target).startswith("pytorch_lightning."):
            given = inspect.signature(get_object(str(target))).parameters.values()
            kinds = {each.name: inspect.formatannotation(each.annotation) for each in given}
            return {name: Parameter(None, "", _parsed(kind)) for name, kind in kinds.items()}
        return node_parameters(node)
    except LookupError as error:
        raise ConfigError(f"{path}_target_: {error}") from error


def _parsed(kind: str | None) -> ast.expr | None:
    try:
        return None if kind is None else ast.parse(kind, mode="eval").body
    except SyntaxError:  # an object's name that is not a Python expression
        return None


def _check_limits(node: Mapping[str, Any], path: str) -> None:
    for key, value in node.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            _check_limits(value, f"{name}.")
        elif name in LIMITS and value is not None and value != "???":
            low, high = LIMITS[name]
            if not low <= value <= high:
                wanted = f"at least {low:g}" if math.isinf(high) else f"a number in [{low:g}, {high:.10g}]"
                raise ConfigError(f"{name}: expected {wanted}, got {shown(value)}")


def _with_name(name: str, message: str) -> str:
    """The message, prefixed with the setting's name unless it already starts with it."""
    first = message.partition(":")[0]
    return message if first.split(".")[0] in (name.split(".")[0], name.rpartition(".")[2]) else f"{name}: {message}"


def built(node: DictConfig) -> object:
    """Build the object of a node; raises the constructor's own error, without Hydra's wrapper.

    Raises:
        ConfigError: as the constructor raises it, or the class does not exist.
    """
    return unwrapped(lambda: instantiate(node))


def unwrapped(build: Callable[[], object]) -> object:
    """Return the result of `build`; turn any error of a constructor into a ConfigError of one line.

    Raises:
        ConfigError: see above.
    """
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    try:
        return build()
    except InstantiationException as error:
        cause = error.__cause__ or error
        raise ConfigError(" ".join(str(cause).split())) from error
    except VosError:
        raise
    except (ValueError, TypeError, LookupError, RuntimeError, MisconfigurationException) as error:
        raise ConfigError(" ".join(str(error).split())) from error
