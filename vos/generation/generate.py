"""Made texts for targets: plain samples shared by all, drafts and moves from real texts, sequential Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vos.generation.particles import Cost
from vos.generation.potential import Reading
from vos.generation.prompts import RealTexts, compose
from vos.generation.reach import Outcome, reachability
from vos.generation.session import Kit, PromptSession, stream
from vos.metrics.boundary import margin
from vos.mining.targets import Targets, TargetSpace
from vos.types import Example, Featurizer


def real_texts(examples: list[Example], featurizer: Featurizer, space: TargetSpace) -> RealTexts:
    """Labelled examples with their place in the space; unlabelled ones are left out.

    Raises:
        DataError: only one class is there.
    """
    labelled = [(example, example.label) for example in examples if example.label is not None]
    batch = featurizer.featurize([example.text for example, _ in labelled])
    return RealTexts(
        tuple(example.id for example, _ in labelled),
        tuple(example.text for example, _ in labelled),
        space.coordinates(batch.features),
        margin(batch.logits),
        batch.logits.new_tensor([label for _, label in labelled]).long(),
    )


def make_texts(
    kit: Kit,
    targets: Targets,
    known: Mapping[int, Outcome] | None = None,
    finished: Callable[[Outcome], None] = lambda _: None,
    only: frozenset[int] | None = None,
    seen: Callable[[int, Reading], None] = lambda _target, _reading: None,
) -> tuple[Outcome, ...]:
    """Outcomes in the order of the targets, unreachable ones included.

    Args:
        kit: see `Kit`.
        targets: m virtual outliers as goals.
        known: outcomes of an interrupted call with the same arguments, by target; they are not made again.
        finished: called with each new outcome, so that it can be kept.
        only: make these targets alone, each exactly as in a call for all of them.
        seen: called with a target and the texts that were judged for it, accepted or not.
    """
    settings, outcomes = kit.settings, dict(known or {})
    reach = reachability(
        kit.space,
        targets,
        kit.real,
        kit.potential,
        max_start=settings.max_start,
        n_starts=settings.stages.chains + settings.prompts.most_shots(kit.real),
    )
    wanted = set(range(len(targets))) if only is None else only
    for target in sorted(wanted - outcomes.keys()):
        if not reach[target].reachable:
            outcomes[target] = Outcome(target, reach[target].distance, False, (), Cost(), {})
            finished(outcomes[target])
    # Prompts are composed for all reachable targets, made or not: a resumed call must find the same ones.
    served = [target for target, place in enumerate(reach) if place.reachable]
    prompts = compose(
        kit.real, kit.space, targets.coordinates, served, settings.prompts, stream(kit.seed, "prompts", 0)[1]
    )
    for number, prompt in enumerate(prompts):
        waiting = [target for target in prompt.targets if target in wanted - outcomes.keys()]
        if not waiting:
            continue
        session = PromptSession.open(kit, prompt, number)
        for target in waiting:
            outcomes[target] = session.answer(targets, target, reach[target], seen)
            finished(outcomes[target])
    return tuple(outcomes[target] for target in sorted(outcomes))
