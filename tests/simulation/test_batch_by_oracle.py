"""A batch evaluated by stored answers, against hand counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conftest import toy_examples
from tests.synthesis.synthesis_jobs import NAMES, job
from vos.labeling import text_uid
from vos.mining.coverage import CoverageSettings
from vos.simulation.batch_by_oracle import BatchByOracle
from vos.synthesis.synthesize import synthesize


@pytest.mark.parametrize("with_levels", [True, False])
def test_counts_are_those_of_the_stored_answers(tiny_encoder, tmp_path, with_levels):
    pool = toy_examples(40, "p", 100)
    work = job(tiny_encoder, pool, n=12)
    work = replace(work, settings=replace(work.settings, acquisition=CoverageSettings(n_directions=4)))
    records = synthesize(work, tmp_path).records
    answers = {text_uid(e.text): NAMES[e.label] for e in pool}
    levels = {text_uid(e.text): i % 4 for i, e in enumerate(pool)} if with_levels else {}
    found = BatchByOracle.of(records, work.data, work.featurizer, answers, levels)
    predicted = work.featurizer.featurize([e.text for e in pool]).logits.argmax(1).tolist()
    wrong = {e.id: c != e.label for e, c in zip(pool, predicted, strict=True)}
    near = [r.id for r in records if r.chosen == "coverage"]
    drawn = [r.id for r in records if r.chosen == "random"]
    assert (found.near.k, found.near.n) == (sum(wrong[i] for i in near), len(near))
    assert (found.random.k, found.random.n) == (sum(wrong[i] for i in drawn), len(drawn))
    assert (found.pool.k, found.pool.n) == (sum(wrong.values()), 40)
    place = {e.id: i for i, e in enumerate(pool)}
    expected = (sum(place[i] % 4 >= 2 for i in near), len(near)) if with_levels else (0, 0)
    assert (found.subtle_near.k, found.subtle_near.n) == expected
    assert (found.subtle_pool.k, found.subtle_pool.n) == ((20, 40) if with_levels else (0, 0))


def test_texts_without_a_stored_answer_do_not_count(tiny_encoder, tmp_path):
    pool = toy_examples(40, "p", 100)
    records = synthesize(job(tiny_encoder, pool, n=12), tmp_path).records
    work = job(tiny_encoder, pool)
    found = BatchByOracle.of(records, work.data, work.featurizer, {}, {})
    assert found.near.n == found.random.n == found.pool.n == 0


def test_several_outputs_may_count_as_one_class(tiny_encoder, tmp_path):
    pool = toy_examples(40, "p", 100)
    work = job(tiny_encoder, pool, n=12)
    records = synthesize(work, tmp_path).records
    answers = {text_uid(e.text): NAMES[e.label] for e in pool}
    for names in (NAMES, NAMES[::-1], (NAMES[1], NAMES[1])):
        found = BatchByOracle.of(records, work.data, work.featurizer, answers, {}, names)
        predicted = work.featurizer.featurize([e.text for e in pool]).logits.argmax(1).tolist()
        assert found.pool.k == sum(names[c] != NAMES[e.label] for e, c in zip(pool, predicted, strict=True))
