"""A language model behind a server, as used by drafts: text in, text out."""

from dataclasses import replace

import pytest
import torch

from tests.generation.stub_server import Stub, sentence
from vos.errors import ConfigError
from vos.exposure.write import WritingSettings, write_outlier_texts
from vos.generation.drafts import DraftSettings, draft
from vos.generation.generate import make_texts
from vos.generation.particles import Cost, Sampling
from vos.generation.server.client import Abilities, Options, ServerClient
from vos.generation.server.instructions import continuation, without_echo
from vos.generation.server.model import ServedLanguageModel, ServedTexts
from vos.generation.server.transport import Transport
from vos.generation.settings import Stages
from vos.synthesis.settings import GenerationSettings
from vos.types import Example

PROMPT = "- A man fell.\n- A man slept.\n-"


def model(stub, *, chat=False):
    able = Abilities(None, Options()) if chat else Abilities()
    client = ServerClient(Transport(stub.url, retries=0), stub.model, able)
    return ServedLanguageModel(client)


@pytest.fixture
def stub():
    with Stub() as server:
        yield server


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def extended(served, texts, chunk=None, seed=0, **sampling):
    begun = served.with_beginnings(served.start(PROMPT, 1, 64), texts)
    extender = served.extender(Sampling(**sampling), seeded(seed))
    extender.extend(begun, chunk)
    return begun, extender


def test_equal_texts_share_a_request_and_others_go_beside_it(stub):
    begun, extender = extended(model(stub), ["He", "She was", "He"], temperature=0.5, top_p=0.9)
    bodies = sorted((body for _, body in stub.asked), key=lambda body: body["prompt"])
    assert [body["prompt"] for body in bodies] == [f"{PROMPT} He", f"{PROMPT} She was"]
    assert [body.get("n", 1) for body in bodies] == [2, 1]
    assert all((body["temperature"], body["top_p"], body["stop"]) == (0.5, 0.9, ["\n"]) for body in bodies)
    first, second = bodies[0]["seed"], bodies[1]["seed"]
    assert begun.texts() == [
        f"He{sentence(100 * first)}", f"She was{sentence(100 * second)}", f"He{sentence(100 * first + 1)}"
    ]  # fmt: skip
    assert begun.finished == [True] * 3
    assert extender.cost.lm_tokens > 0


def test_a_chunk_goes_on_until_the_limit(stub):
    stub.finish, stub.write = "length", lambda body, seed: " on and"
    begun, extender = extended(model(stub), ["He went"], chunk=5, max_tokens=9)
    assert stub.asked[-1][1]["max_tokens"] == 5
    assert begun.texts() == ["He went on and"]
    assert extender.done(begun) == [False]
    extender.extend(begun)
    assert begun.finished == [False]
    assert extender.done(begun) == [True]
    n = len(stub.asked)
    extender.extend(begun)
    assert len(stub.asked) == n


def test_a_draft_without_a_finish_reason_goes_on_until_nothing_comes(stub):
    stub.finish, stub.logprobs = None, False
    said = iter([" on and on and on", "", " to the end."])
    stub.write = lambda body, seed: next(said)
    served = model(stub)
    begun, extender = extended(served, ["He went"], chunk=5)
    assert begun.finished == [False]
    extender.extend(begun, 5)
    assert (begun.texts(), begun.finished) == (["He went on and on and on"], [True])
    # A text that reaches the limit is cut, one with fewer tokens has ended.
    assert extended(served, ["She went"])[0].finished == [True]


def test_the_seed_decides_and_the_next_round_has_others(stub):
    assert extended(model(stub), ["He"] * 3)[0].texts() == extended(model(stub), ["He"] * 3)[0].texts()
    assert extended(model(stub), ["He"] * 3)[0].texts() != extended(model(stub), ["He"] * 3, seed=1)[0].texts()


def test_what_follows_the_end_of_the_line_is_another_text(stub):
    stub.finish, stub.write = "length", lambda body, seed: " fell.\n- Another"
    begun, _ = extended(model(stub), ["He"])
    assert begun.texts() == ["He fell."]
    assert begun.finished == [True]


def test_a_chat_is_asked_to_go_on_and_what_it_repeats_is_taken_off(stub):
    stub.write = lambda body, seed: '"He climbed the roof and fell."\nI hope this helps!'
    begun, _ = extended(model(stub, chat=True), ["He climbed the"])
    path, body = stub.asked[0]
    assert path == "/chat/completions"
    assert body["messages"][0]["content"] == continuation(PROMPT, "He climbed the")
    assert "A man slept." in body["messages"][0]["content"]
    assert begun.texts() == ["He climbed the roof and fell."]
    assert begun.finished == [True]


@pytest.mark.parametrize(
    ("text", "answer", "rest"),
    [
        ("He fell", "off the roof.", " off the roof."),
        ("He fell", "…off the roof.", " off the roof."),
        ("He fell", ", they said.", ", they said."),
        ("He fell", "HE FELL off", " off"),
        ("", "1. He fell.", "He fell."),
        ("", "Text: He fell.", "He fell."),
        ("", "“He fell.”", "He fell."),
        ("", "", ""),
    ],
)
def test_an_echo_is_taken_off(text, answer, rest):
    assert without_echo(text, answer) == rest


def test_texts_are_cut_at_words():
    whole = ServedTexts.of(PROMPT, ["He fell off the roof", ""])
    cut = whole.select([0, 0, 1], [2, 9, 0])
    assert cut.texts() == ["He fell", "He fell off the roof", ""]
    assert [len(row) for row in whole.tokens] == [5, 0]
    assert cut.spent == [3, 6, 0]


def test_drafts_are_written_through_a_server(stub):
    class Longest:
        def __init__(self):
            self.asked = []

        def whole(self, texts, ended):
            return -torch.arange(len(texts), dtype=torch.float64)

        def prefix(self, texts):
            self.asked += texts
            return torch.tensor([-float(len(text)) for text in texts], dtype=torch.float64)

    served, phi = model(stub), Longest()
    # Pieces of three words that never end, until the last round.
    stub.write = lambda body, seed: " ".join(sentence(seed, 3 if body["max_tokens"] == 5 else 6).split("."))
    stub.finish = "length"
    begun = served.with_beginnings(served.start(PROMPT, 1, 64), ["He went", "She saw"])
    extender = served.extender(Sampling(), seeded(), Cost())
    settings = DraftSettings(copies=3, levels=1, tokens=5, kept=2, finishes=2)
    drafted = draft(begun, phi, extender, settings)
    assert len(phi.asked) == 6
    kept = sorted(phi.asked, key=len)[:2]
    assert len(drafted.particles) == 4
    assert all(any(text.startswith(best) for best in kept) for text in drafted.particles.texts())
    assert extender.cost.classifier_texts == 6 + 4


def test_targets_are_written_for_through_a_server(stub, text_generator, targets):
    stub.write = lambda body, seed: " " + " ".join(f"w{(seed * 7 + i * i) % 40}" for i in range(1, 7)) + "."
    stages = replace(text_generator.settings.stages, pilot=1, rounds=2, mcmc_chains=0, smc=False, max_distance=5.0)
    settings = replace(text_generator.settings, stages=stages, drafts=DraftSettings(beginnings=2, copies=3, kept=4))
    served = replace(text_generator, language_model=model(stub), settings=settings)
    outcomes = make_texts(served, targets, only=frozenset({0, 1}))
    accepted = [each for outcome in outcomes for each in outcome.accepted]
    assert {each.provenance.source for each in accepted} >= {"prefix_conditioned"}
    assert {each.provenance.language_model for each in accepted} == {served.language_model.fingerprint}
    assert sum(outcome.cost.lm_tokens for outcome in outcomes) > 0
    again = make_texts(served, targets, only=frozenset({0, 1}))
    assert [each.example.text for outcome in again for each in outcome.accepted] == [
        each.example.text for each in accepted
    ]


@pytest.mark.parametrize("stages", [Stages(smc=True), Stages(mcmc_chains=2)])
def test_what_needs_probabilities_stays_local(text_generator, stages):
    class Served:
        gives_logits = False

    settings = replace(text_generator.settings, stages=stages)
    with pytest.raises(ConfigError, match="stages: expected smc=false and mcmc_chains=0 with language_model=server"):
        GenerationSettings(Served(), settings)
    with pytest.raises(ConfigError, match="which gives text alone"):
        replace(text_generator, language_model=Served(), settings=settings)


def test_outlier_texts_are_written_through_a_server(stub):
    examples = [Example(f"e{i}", f"The man number {i} fell over.", i % 4) for i in range(24)]
    settings = WritingSettings(12, 3, 8, 1, 20, Sampling(max_tokens=40))
    texts, cost = write_outlier_texts(model(stub), examples, settings, 0)
    assert len({each.text for each in texts}) == 12
    assert cost.lm_tokens > 0
    path, body = stub.asked[0]
    assert (path, body["n"], body["max_tokens"]) == ("/completions", 8, 40)
    assert body["prompt"].endswith("\n")
    again, _ = write_outlier_texts(model(stub), examples, settings, 0)
    assert again == texts
