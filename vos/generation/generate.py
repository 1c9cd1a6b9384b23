"""Generates texts for targets: shared plain samples, drafts and chains from real texts, sequential Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vos.generation.particles import Cost
from vos.generation.prompts import RealTexts, compose
from vos.generation.reach import Outcome, reachability
from vos.generation.session import PromptSession
from vos.generation.text_generator import Reading, TextGenerator
from vos.mining.targets import Targets, TargetSpace
from vos.types import Example, Featurizer


def real_texts(
    examples: Sequence[Example], featurizer: Featurizer, space: TargetSpace, others: Sequence[Example] = ()
) -> RealTexts:
    """Labelled examples with their coordinates in the space; unlabelled ones are left out.

    Args:
        examples: labelled texts.
        featurizer: the frozen classifier.
        space: see `TargetSpace`.
        others: additional unlabelled texts; their predictions balance them in prompts, which say nothing about classes,
            and are never used as labels.

    Raises:
        DataError: there is only one class.
    """
    labelled = [example for example in examples if example.label is not None]
    known = [example.label for example in labelled if example.label is not None]
    texts = [example.text for example in (*labelled, *others)]
    batch = featurizer.featurize(texts)
    groups = known + batch.logits[len(known) :].argmax(-1).tolist()
    return RealTexts(
        tuple(example.id for example in (*labelled, *others)),
        tuple(texts),
        space.coordinates(batch.features),
        space.margins(batch.logits),
        batch.logits.new_tensor([_group(label, space) for label in groups]).long(),
        len(known),
    )


def _group(label: int, space: TargetSpace) -> int:
    """Whether the label is harmful; if no class is harmful, the class itself."""
    return int(label in space.harmful) if space.harmful else label


def make_texts(
    text_generator: TextGenerator,
    targets: Targets,
    known: Mapping[int, Outcome] | None = None,
    finished: Callable[[Outcome], None] = lambda _: None,
    only: frozenset[int] | None = None,
    seen: Callable[[int, Reading], None] = lambda _target, _reading: None,
) -> tuple[Outcome, ...]:
    """Generate texts; returns the outcomes in the order of the targets, including unreachable ones.

    Args:
        text_generator: see `TextGenerator`.
        targets: m virtual outliers as goals.
        known: outcomes of an interrupted call with the same arguments, by target; they are not computed again.
        finished: called with each new outcome, so that it can be stored.
        only: process only these targets, each exactly as in a call for all of them.
        seen: called with a target and the texts that were judged for it, accepted or not.
    """
    settings, outcomes = text_generator.settings, dict(known or {})
    reach = reachability(
        text_generator.space,
        targets,
        text_generator.real,
        text_generator.potential,
        max_start=settings.max_start,
        n_starts=settings.stages.mcmc_chains + settings.prompts.most_shots(text_generator.real),
    )
    wanted = set(range(len(targets))) if only is None else only
    for target in sorted(wanted - outcomes.keys()):
        if not reach[target].reachable:
            outcomes[target] = Outcome(target, reach[target].distance, False, (), Cost(), {})
            finished(outcomes[target])
    # Prompts are composed for all reachable targets, finished or not, so that a resumed call finds the same ones.
    served = [target for target, place in enumerate(reach) if place.reachable]
    _, generator = text_generator.stream("prompts")
    prompts = compose(
        text_generator.real, text_generator.space, targets.coordinates, served, settings.prompts, generator
    )
    for number, prompt in enumerate(prompts):
        waiting = [target for target in prompt.targets if target in wanted - outcomes.keys()]
        if not waiting:
            continue
        session = PromptSession.open(text_generator, prompt, number)
        for target in waiting:
            outcomes[target] = session.serve(targets, target, reach[target], seen)
            finished(outcomes[target])
    return tuple(outcomes[target] for target in sorted(outcomes))
