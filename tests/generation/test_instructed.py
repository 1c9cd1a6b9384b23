"""Requested texts, counterfactuals with one changed fact, and sentences about differences."""

from dataclasses import replace

import pytest
import torch

from tests.generation.stub_server import Stub
from tests.toy_texts import texts_of
from vos.errors import ConfigError
from vos.generation.counterfactuals import CounterfactualSettings, find_counterfactuals
from vos.generation.generate import make_texts, real_texts
from vos.generation.instructed import (
    SUBTLETIES,
    Examples,
    InstructionSettings,
    asked_and_reached,
    changed,
    prompt_hash,
    request,
)
from vos.generation.prompts import Prompt, compose
from vos.generation.reach import Outcome
from vos.generation.report import generation_report
from vos.generation.server.client import Abilities, Options, ServerClient
from vos.generation.server.differences import ServedDescriber, describe_over_server
from vos.generation.server.model import ServedLanguageModel
from vos.generation.server.transport import Transport
from vos.generation.session import PromptSession
from vos.types import Example

EXAMPLES = Examples(("He fell off the roof.", "She was burnt."), ("He stood on the roof.",))
SETTINGS = InstructionSettings(harmful="about harm", harmless="harmless")


@pytest.fixture
def stub():
    with Stub() as server:
        yield server


def client(stub, *, chat=True):
    able = Abilities(Options(), Options() if chat else None)
    return ServerClient(Transport(stub.url, retries=0), stub.model, able)


def asked_texts(stub):
    return [body["messages"][0]["content"] for path, body in stub.asked if path == "/chat/completions"]


def test_a_request_shows_both_sides_and_tells_side_place_and_subtlety():
    text = request(EXAMPLES, 1.0, 0.8, "trace", SETTINGS)
    assert "Texts that are about harm:\n- He fell off the roof.\n- She was burnt.\n" in text
    assert "Texts that are harmless:\n- He stood on the roof.\n" in text
    assert "Write one new text that is about harm, near the line" in text
    assert "of the same kind as the examples, in another scene" in text
    assert SUBTLETIES["trace"][0] in text
    below = request(EXAMPLES, -3.0, None, "trace", SETTINGS)
    assert "Write one new text that is harmless, clearly so. It is in another setting" in below
    assert SUBTLETIES["trace"][1] in below
    assert SUBTLETIES["trace"][0] not in below


def test_the_sign_of_a_zero_is_a_side():
    assert "one new text that is about harm, " in request(EXAMPLES, 0.0, 0.1, "named", SETTINGS)
    assert "one new text that is harmless, " in request(EXAMPLES, -0.0, 0.1, "named", SETTINGS)


def test_a_side_without_examples_is_not_listed():
    text = request(Examples((), ("He stood.",)), 1.0, 0.1, "named", SETTINGS)
    assert text.startswith("Texts that are harmless:\n- He stood.\n")
    assert "Texts that are about harm" not in text


@pytest.mark.parametrize(
    ("margin", "words"), [(0.2, "two careful readers could disagree"), (-1.4, "near the line"), (1.6, "clearly so")]
)
def test_margins_in_words(margin, words):
    assert words in request(EXAMPLES, margin, 0.1, "named", SETTINGS)


def test_the_other_label_is_asked_for():
    text = changed("He fell off the roof.", SETTINGS, harmful=False)
    assert text.startswith("This text is about harm:\n\nHe fell off the roof.\n")
    assert "so that the text is harmless" in text


@pytest.mark.parametrize(
    "options", [{"subtleties": ("loud",)}, {"subtleties": ()}, {"per_target": -1}, {"harmful": " "}]
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError, match="instructions"):
        InstructionSettings(**options)


def test_asked_against_reached_has_its_chance_beside_it():
    found = asked_and_reached(
        ["named", "named", "trace", "trace", "result"], ["named", "trace", "trace", "trace", None]
    )
    assert found["read"] == 4
    assert found["table"] == {"named": {"named": 1, "trace": 1}, "trace": {"trace": 2}}
    assert found["agree"] == 0.75
    # Two of four asked for each; one and three read so: 2/4 * 1/4 + 2/4 * 3/4.
    assert found["agree_by_chance"] == pytest.approx(0.5)
    assert asked_and_reached(["named"], [None]) == {"read": 0, "table": {}}


def plain(text_generator, **options):
    """The generator without chains, asked for texts."""
    stages = replace(text_generator.settings.stages, pilot=1, rounds=0, mcmc_chains=0, smc=False, max_distance=9.0)
    return replace(text_generator.settings, stages=stages, **options)


def words_of(seed):
    return " ".join(f"w{(seed * 7 + i * i) % 40}" for i in range(1, 7)) + "."


def test_texts_that_are_asked_for_are_judged_like_all_others(stub, text_generator, targets):
    stub.write = lambda body, seed: words_of(seed) if "messages" in body else " ..."
    settings = plain(text_generator, instructions=replace(SETTINGS, per_target=4))
    served = replace(text_generator, language_model=ServedLanguageModel(client(stub)), settings=settings)
    outcomes = make_texts(served, targets, only=frozenset({0, 1}))
    asked = asked_texts(stub)
    assert len(asked) == 8
    prompts = {text for text in asked if SUBTLETIES["omission"][0] in text or SUBTLETIES["omission"][1] in text}
    assert len(prompts) == 2
    accepted = [each for outcome in outcomes for each in outcome.accepted]
    assert accepted
    hashes = {prompt_hash(text) for text in asked}
    for each in accepted:
        assert each.provenance.source == "instructed"
        assert each.provenance.subtlety in SUBTLETIES
        assert each.provenance.prompt_hash in hashes
        assert each.example.label is None  # a wish is no label
    # What keeps no rule is refused whoever wrote it.
    assert sum(sum(outcome.refused.values()) for outcome in outcomes) + len(accepted) == 2 * (4 + 1)
    assert [outcome.asked for outcome in outcomes] == [dict.fromkeys(SUBTLETIES, 1)] * 2
    report = generation_report(outcomes, targets, served.space, served.featurizer)
    assert report["asked_by_subtlety"] == dict.fromkeys(SUBTLETIES, 2)
    assert sum(report["accepted_by_subtlety"].values()) == len(accepted)


def with_pool(text_generator, pool, **options):
    """The generator whose real texts are followed by unlabelled ones, which have the ids of labelled ones."""
    real = text_generator.real
    rows = zip(real.ids, real.texts, real.labels.tolist(), strict=True)
    known = [Example(name, options.get("text", "{}").format(text), label) for name, text, label in rows]
    others = [Example(f"r{i}", f"{text}.") for i, text in enumerate(pool)]
    return replace(text_generator, real=real_texts(known, text_generator.featurizer, text_generator.space, others))


def listed(text):
    """The examples of an instruction: text and side."""
    sides = {"Texts that are about harm:": True, "Texts that are harmless:": False}
    found, side = {}, None
    for line in text.splitlines():
        side = sides.get(line, side)
        if line.startswith("- "):
            found[line[2:]] = side
    return found


def test_examples_have_their_labels_and_an_unlabelled_text_is_none(stub, text_generator, targets):
    # The pool lies nearest: these texts are the targets.
    mixed = with_pool(text_generator, texts_of(7, seed=2))
    real, pool = mixed.real, set(mixed.real.texts[60:])
    stub.write = lambda body, seed: words_of(seed) if "messages" in body else " ..."
    settings = plain(mixed, instructions=replace(SETTINGS, per_target=4))
    served = replace(mixed, language_model=ServedLanguageModel(client(stub)), settings=settings)
    outcomes = make_texts(served, targets)
    shown = [body["prompt"] for path, body in stub.asked if path == "/completions"]
    assert any(text in prompt for prompt in shown for text in pool)
    labels = dict(zip(real.texts[:60], map(bool, real.labels.tolist()), strict=True))
    asked = [listed(text) for text in asked_texts(stub)]
    assert len(asked) == 4 * len(targets)
    for examples in asked:
        assert len(examples) == 6
        assert examples.items() <= labels.items()
    accepted = [each for outcome in outcomes for each in outcome.accepted]
    names = dict(zip(real.ids[:60], real.texts[:60], strict=True))
    assert accepted
    assert all({names[parent] for parent in each.provenance.parents} in map(set, asked) for each in accepted)


def test_without_a_short_labelled_text_nothing_is_asked_for(stub, text_generator, targets, caplog):
    mixed = with_pool(text_generator, texts_of(30, seed=2), text="{0} {0} {0} {0} {0}")
    stub.write = lambda body, seed: " ..."
    settings = plain(mixed, instructions=SETTINGS, prompts=replace(mixed.settings.prompts, max_words=12))
    served = replace(mixed, language_model=ServedLanguageModel(client(stub)), settings=settings)
    (outcome,) = make_texts(served, targets, only=frozenset({0}))
    assert (outcome.asked, asked_texts(stub)) == ({}, [])
    assert "no labelled text is short enough to be an example" in caplog.text


def test_a_pool_text_with_the_id_of_an_example_is_none(text_generator, targets):
    mixed = with_pool(text_generator, texts_of(60, seed=9))
    _, generator = mixed.stream("prompts")
    prompts = compose(mixed.real, mixed.space, targets.coordinates, range(7), mixed.settings.prompts, generator)
    for prompt in prompts:
        session = PromptSession(mixed, prompt, None, None, None, 0)
        assert len(session.shots()) == 6
        assert {" ".join(mixed.real.texts[row].split()) for row in session.shots()} == set(prompt.shots)
        assert tuple(mixed.real.ids[row] for row in prompt.rows) == prompt.parents


def test_a_server_without_chat_is_asked_for_nothing(stub, text_generator, targets):
    settings = plain(text_generator)
    served = replace(text_generator, language_model=ServedLanguageModel(client(stub, chat=False)), settings=settings)
    (outcome,) = make_texts(served, targets, only=frozenset({0}))
    assert outcome.asked == {}
    assert asked_texts(stub) == []
    assert "asked_by_subtlety" not in generation_report([outcome], targets, served.space, served.featurizer)


def test_an_outcome_of_before_is_read():
    row = {
        "target": 1,
        "reach": None,
        "reachable": False,
        "accepted": [],
        "cost": {},
        "refused": {},
        "nearest_miss": None,
    }
    assert Outcome.from_dict(row).asked == {}


def test_a_changed_fact_comes_before_new_ends(stub, text_generator):
    settings = plain(text_generator, instructions=SETTINGS)
    served = replace(text_generator, language_model=ServedLanguageModel(client(stub)), settings=settings)
    real = served.real
    # Rows that the classifier reads as they are labelled.
    right = [row for row in range(20) if (float(real.margins[row]) > 0) == bool(real.labels[row])]
    other = {row: next(r for r in right if real.labels[r] != real.labels[row]) for row in right}
    row = right[0]
    stub.write = lambda body, seed: real.texts[other[row]] if "messages" in body else " w1."
    prompt = Prompt("- w1 w2.\n-", ("w1 w2.",), ("r1",), (0,), (1,), (1,))
    wanted = CounterfactualSettings(proposals=3, max_margin=99.0)
    (found,) = find_counterfactuals(served, prompt, [row], wanted)
    assert asked_texts(stub) == [changed(real.texts[row], SETTINGS, harmful=not bool(real.labels[row]))] * 3
    assert found.candidate is not None
    assert found.candidate.example.text == real.texts[other[row]]
    provenance = found.candidate.provenance
    assert (provenance.source, provenance.parents) == ("counterfactual", (real.ids[row],))
    assert provenance.parent_margin == pytest.approx(float(real.margins[row]))
    assert found.cost.classifier_texts == 3
    # Unchanged texts cross nothing, and the ends are written again.
    stub.write = lambda body, seed: real.texts[row] if "messages" in body else " w1."
    (found,) = find_counterfactuals(served, prompt, [row], replace(wanted, shares=(0.5,)))
    assert found.cost.classifier_texts == 3 + 3


def test_sentences_about_a_difference(stub):
    stub.write = lambda body, seed: (
        'Sure, here they are:\n1. The text names a "tool".\n- The text ends with a question.\n\n'
        'The text names a "tool".\n2) The text says who was'
    )
    found = describe_over_server(client(stub), ["a", "b"], ["c"], seed=4)
    assert found == ['The text names a "tool".', "The text ends with a question."]
    path, body = stub.asked[0]
    assert (path, body["seed"]) == ("/chat/completions", 4)
    assert "Group A:\n- a\n- b\n\nGroup B:\n- c\n" in body["messages"][0]["content"]


def test_sentences_from_a_server_that_only_continues(stub):
    stub.write = lambda body, seed: " names a tool.\nGroup C:"
    assert describe_over_server(client(stub, chat=False), ["a"], ["c"]) == ["The text names a tool."]
    with pytest.raises(ConfigError, match="expected texts in both groups, got 1 and 0"):
        describe_over_server(client(stub), ["a"], [])


@pytest.mark.parametrize("chat", [True, False])
def test_verdicts_of_a_server(stub, chat):
    said = iter(["Yes.", " no, it does not", "It depends", "**True**"])
    stub.write = lambda body, seed: next(said)
    asker = client(stub, chat=chat)
    asker.concurrency = 1
    assert ServedDescriber(asker).holds("The text names a tool.", ["a", "b", "c", "d  e"]) == [1.0, 0.0, 0.5, 1.0]
    (_, body) = stub.asked[-1]
    prompt = body["messages"][0]["content"] if chat else body["prompt"]
    assert "Text:\nd e\n\nStatement: The text names a tool.\n" in prompt
    assert prompt.endswith("yes or no." if chat else "Answer:")


def test_the_seed_of_a_draw_is_the_models_alone(stub):
    state = torch.random.get_rng_state()
    client(stub).complete("He", 3, 9, 1.0, seed=2)
    assert torch.equal(state, torch.random.get_rng_state())
