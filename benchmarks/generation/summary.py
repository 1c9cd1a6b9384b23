"""All figures of the generation benchmark by arm, and their table."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks._common import machine
from benchmarks.corpus.text_metrics import Trigrams, distinct, percentiles, self_bleu
from benchmarks.generation.arms import Size, arms
from benchmarks.generation.figures import Judged, Rule, Unit, arm_figures, best_of, compared, sample, separate, shuffled
from benchmarks.generation.world import World
from vos.mining.targets import TargetSpace

RADII = (0.8, 1.0, 1.25, 1.5)


def from_pool(like: list[Unit], pool: list[Judged]) -> list[Unit]:
    """The retrieval arm: pool texts for the same targets, without tokens."""
    return [Unit(**unit.__dict__ | {"arm": "retrieval", "tokens": 0, "texts": tuple(pool)}) for unit in like]


def judged_pool(world: World, space: TargetSpace) -> list[Judged]:
    """Texts of the pool; real, so that no rule is asked for."""
    batch = world.featurizer.featurize(world.pool)
    places, margins = space.coordinates(batch.features).tolist(), space.margins(batch.logits).tolist()
    return [Judged(t, None, 0.0, m, tuple(p)) for t, m, p in zip(world.pool, margins, places, strict=True)]


def all_arms(kept: list[Unit], rule: Rule, pool: list[Judged]) -> dict[str, list[Unit]]:
    """Units by arm, those without further tokens too."""
    by_arm = {name: [unit for unit in kept if unit.arm == name] for name in arms(1)}
    by_arm["best of 8"] = best_of(by_arm["plain"], rule)
    by_arm["placebo"] = shuffled(by_arm["drafts"])
    by_arm["retrieval"] = from_pool(by_arm["drafts"], pool)
    by_arm["ladder"] = [
        made if not rule.accepted(found) else found
        for made, found in zip(by_arm["drafts"], by_arm["retrieval"], strict=True)
    ]
    return {name: row for name, row in by_arm.items() if row}


def text_figures(found: list[str], real: list[str], judge: Trigrams, held_out: list[float]) -> dict[str, float]:
    """Diversity and fluency of accepted texts beside as many real ones, and among the perplexities of these."""
    likewise = sample(real, len(found))
    ranks = sorted(percentiles([judge.perplexity(text) for text in found], held_out))
    return {
        "self_bleu": self_bleu(found),
        "self_bleu_real": self_bleu(likewise),
        **{f"distinct_{n}": distinct(found, n) for n in (1, 2)},
        **{f"distinct_{n}_real": distinct(likewise, n) for n in (1, 2)},
        "perplexity_percentile_median": ranks[len(ranks) // 2],
    }


def summary(
    world: World, space: TargetSpace, options: argparse.Namespace, size: Size, kept: list[Unit]
) -> dict[str, Any]:
    """All figures."""
    rule = Rule(space.unit, options.radius, options.delta)
    by_arm = all_arms(kept, rule, judged_pool(world, space))
    texts = [example.text for example in world.train]
    judge = Trigrams(texts[::2])
    held_out = [judge.perplexity(text) for text in texts[1::2]]
    result: dict[str, Any] = {
        "corpus": Path(options.corpus).name, "classifier": "frozen" if options.run is None else "trained",
        "unit": space.unit, **asdict(size), "seeds": options.seeds, "directions": options.directions,
        "radius": options.radius, "delta": options.delta, "max_tokens": options.max_tokens, "arms": {},
        "oracle_error": None, "oracle_error_why": "no oracle gives labels to texts that did not exist before",
        "perplexity_model": "interpolated Kneser-Ney trigrams of half the real texts; percentiles among the other half",
        "machine": machine(),
    }  # fmt: skip
    for name, row in by_arm.items():
        figures = arm_figures(row, rule)
        if len(found := separate(row, rule)) > 1:
            figures |= text_figures(found, texts, judge, held_out)
        figures["apart_by_radius"] = {radius: len(separate(row, replace(rule, distance=radius))) for radius in RADII}
        if name not in ("plain", "retrieval", "ladder"):
            figures["against_plain"] = compared(row, by_arm["plain"], rule)
        result["arms"][name] = figures
    return result


def table(result: dict[str, Any]) -> str:
    """One line for each arm."""
    titles = ("tokens", "texts", "distinct", "apart", "per 1000", "hit", "top1")
    lines = [f"{'arm':12}" + "".join(f"{title:>9}" for title in titles) + f"{'ratio to plain':>22}"]
    for name, row in result["arms"].items():
        ratio = row.get("against_plain", {}).get("ratio", [])
        told = " ".join("-" if value is None else f"{value:.2f}" for value in ratio)
        hit = f"{row['targets_hit']}/{row['units']}"
        rate = f"{row['apart_per_1000']:.2f}" if "apart_per_1000" in row else "-"
        top1 = f"{row['top1']:.2f}" if "top1" in row else "-"
        lines.append(
            f"{name:12}{row['lm_tokens']:>9}{row['texts']:>9}{row['distinct']:>9}{row['apart']:>9}{rate:>9}{hit:>9}"
            f"{top1:>9}{told:>22}"
        )
    return "\n".join(lines)
