"""The client against a misbehaving server."""

import json
import logging
from dataclasses import replace

import pytest

from tests.generation.stub_server import Stub, sentence
from vos.errors import ConfigError, ServerError
from vos.generation.server.client import Abilities, Options, ServerClient
from vos.generation.server.probe import probe
from vos.generation.server.replies import CompletionRequest
from vos.generation.server.request_cache import RequestCache
from vos.generation.server.settings import LanguageModelServer
from vos.generation.server.transport import RefusedError, Transport

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def stub():
    with Stub() as server:
        yield server


def transport(stub, waits=None, **options):
    return Transport(
        stub.url, **{"wait": 1.0, "retries": 3, **options}, sleep=(waits if waits is not None else []).append
    )


def client(stub, waits=None, cache=None, **options):
    able = Options(**options)
    return ServerClient(transport(stub, waits), stub.model, Abilities(able, able), cache)


def texts(found):
    return [each.text for each in found]


def test_a_completion_is_what_the_server_wrote(stub):
    found = client(stub, logprobs=True).complete("He", 2, 9, 0.7, ["\n"], 5)
    assert [(each.text, each.finish_reason) for each in found] == [(sentence(500), "stop"), (sentence(501), "stop")]
    assert found[0].logprobs == (-0.5,) * 9
    path, body = stub.asked[0]
    assert path == "/completions"
    assert body == {
        "model": "tiny", "prompt": "He", "max_tokens": 9, "temperature": 0.7, "stop": ["\n"], "n": 2, "seed": 5,
        "logprobs": 1,
    }  # fmt: skip


def test_a_chat_is_a_message(stub):
    found = client(stub, logprobs=True).complete("Write.", 1, 9, 1.0, chat=True, seed=3)
    assert (found[0].text, found[0].logprobs) == (sentence(300), (-0.5,) * 9)
    path, body = stub.asked[0]
    assert (path, body["messages"]) == ("/chat/completions", [{"role": "user", "content": "Write."}])
    assert "prompt" not in body


def test_a_server_without_n_is_asked_for_one_at_a_time_with_other_seeds(stub):
    stub.ignores = ("n",)
    found = client(stub, n=False).complete("He", 3, 9, 1.0, seed=5)
    assert texts(found) == [sentence(500), sentence(600), sentence(700)]
    assert [body.get("n") for _, body in stub.asked] == [None] * 3


def test_missing_choices_are_asked_for_again(stub):
    stub.most_choices = 2
    asked = client(stub)
    found = asked.complete("He", 5, 9, 1.0, seed=5)
    assert len(set(texts(found))) == 5
    assert [body.get("n", 1) for _, body in stub.asked] == [5, 1, 1, 1]
    # Every reply was paid for.
    assert asked.usage.requests == 4
    assert asked.usage.prompt_tokens == 4 * 7


@pytest.mark.parametrize("trouble", [429, 500, 503, 520, 529, "cut", "text", "empty", "drop"])
def test_trouble_passes(stub, trouble):
    waits = []
    stub.troubles = [trouble, trouble]
    assert texts(client(stub, waits).complete("He", 1, 9, 1.0, seed=5)) == [sentence(500)]
    assert waits == [1.0, 2.0]
    assert len(stub.asked) == 3


def test_a_reply_that_does_not_come_is_asked_for_again(stub):
    stub.troubles = ["hang"]
    asked = ServerClient(transport(stub, timeout=0.3), "tiny")
    assert texts(asked.complete("He", 1, 9, 1.0, seed=5)) == [sentence(500)]


def test_the_server_says_how_long_to_wait_within_reason(stub):
    waits = []
    stub.troubles, stub.headers = [429, 429], {"Retry-After": "7"}
    client(stub, waits).complete("He", 1, 9, 1.0)
    stub.troubles, stub.headers = [429], {"Retry-After": "86400"}
    client(stub, waits).complete("He", 1, 9, 1.0)
    stub.troubles, stub.headers = [429], {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    client(stub, waits).complete("He", 1, 9, 1.0)
    assert waits == [7.0, 7.0, 60.0, 1.0]


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (429, r"/completions: status 429: trouble .4 attempts."),
        (524, r"/completions: status 524: trouble .4 attempts."),
        ("text", "expected a reply in JSON, got 22 bytes of application/json; is this an OpenAI-compatible API"),
        ("cut", "expected a reply in JSON"),
        ("empty", "holds no choices"),
    ],
)
def test_trouble_that_stays_is_one_line(stub, trouble, message):
    stub.troubles = [trouble] * 9
    with pytest.raises(ServerError, match=message) as caught:
        client(stub).complete("He", 1, 9, 1.0)
    assert "\n" not in str(caught.value)
    assert len(stub.asked) == 4


@pytest.mark.parametrize("status", [400, 404, 422, 501])
def test_what_does_not_pass_is_a_refusal(stub, status):
    stub.troubles = [status]
    with pytest.raises(RefusedError, match=f"status {status}: trouble") as caught:
        client(stub).complete("He", 1, 9, 1.0)
    assert (caught.value.status, len(stub.asked)) == (status, 1)


def test_a_refusal_is_not_repeated(stub):
    with pytest.raises(ServerError, match="status 404: The model other does not exist"):
        ServerClient(transport(stub), "other").complete("He", 1, 9, 1.0)
    assert len(stub.asked) == 1


def test_requests_go_at_once_and_come_back_in_order(stub):
    stub.delay = 0.1
    asked = replace(client(stub), concurrency=4)
    requests = [CompletionRequest("He", 1, 9, 1.0, seed=seed) for seed in range(8)]
    assert [reply.completions[0].text for reply in asked.complete_all(requests)] == [
        sentence(100 * s) for s in range(8)
    ]
    assert 2 <= stub.at_once <= 4


def test_replies_are_kept_and_a_killed_call_goes_on(stub, tmp_path):
    requests = [CompletionRequest("He", 2, 9, 1.0, seed=seed) for seed in range(4)]
    stub.troubles = [None, None, None, 400]  # the fourth is refused
    first = replace(client(stub, cache=RequestCache(tmp_path, stub.url)), concurrency=1)
    with pytest.raises(ServerError, match="status 400"):
        first.complete_all(requests)
    first.cache.close()
    again = client(stub, cache=RequestCache(tmp_path, stub.url))
    found = again.complete_all(requests)
    assert [body["seed"] for _, body in stub.asked] == [0, 1, 2, 3, 3]
    assert (again.usage.requests, again.usage.cached) == (1, 3)
    # What is in the cache is the reply, cost included.
    assert again.complete_all(requests) == found
    assert len(stub.asked) == 5
    again.cache.close()


@pytest.mark.parametrize("change", [{"prompt": "She"}, {"n": 2}, {"seed": 6}, {"temperature": 0.5}, {"chat": True}])
def test_another_request_is_another_key(stub, tmp_path, change):
    asked, request = client(stub, cache=RequestCache(tmp_path, stub.url)), CompletionRequest("He", 1, 9, 1.0, seed=5)
    asked.complete_all([request])
    asked.complete_all([replace(request, **change)])
    assert asked.usage.cached == 0
    asked.cache.close()


def test_without_a_seed_nothing_is_kept(stub, tmp_path):
    asked = client(stub, cache=RequestCache(tmp_path, stub.url))
    assert asked.complete("He", 1, 9, 1.0) != asked.complete("He", 1, 9, 1.0)
    assert asked.usage.cached == 0
    asked.cache.close()


def test_a_server_without_seeds_gives_a_draw_a_key_of_its_own(stub, tmp_path):
    stub.ignores, stub.refuses = ("seed",), ("seed",)
    asked = client(stub, cache=RequestCache(tmp_path, stub.url), seed=False)
    first, other = (asked.complete("He", 1, 9, 1.0, seed=seed) for seed in (1, 2))
    assert asked.complete("He", 1, 9, 1.0, seed=1) == first != other
    asked.cache.close()


def server(stub, **options):
    return LanguageModelServer(stub.url, **{"model": stub.model, "wait": 0.0, "retries": 2, "timeout": 5.0, **options})


def test_the_probe_finds_what_there_is(stub):
    everything = Options(n=True, seed=True, repeats=True, logprobs=True)
    assert probe(transport(stub), "tiny") == Abilities(everything, everything)
    stub.chat = False
    assert probe(transport(stub), "tiny") == Abilities(everything, None)
    stub.chat, stub.completions = True, False
    assert probe(transport(stub), "tiny") == Abilities(None, everything)


@pytest.mark.parametrize("name", ["n", "seed", "logprobs"])
def test_the_probe_leaves_out_what_is_refused(stub, name):
    stub.refuses = (name,)
    assert getattr(probe(transport(stub), "tiny", "completions").completions, name) is False


@pytest.mark.parametrize("refused", [("logprobs",), ("logprobs", "n"), ("logprobs", "n", "seed")])
@pytest.mark.parametrize("chat", [True, False])
def test_each_interface_is_sent_what_it_takes(stub, refused, chat):
    stub.refuses_in = {"/v1/chat/completions" if chat else "/v1/completions": refused}
    asked = server(stub)().client
    assert asked.abilities.options(chat=not chat) == Options(n=True, seed=True, repeats=True, logprobs=True)
    stub.asked.clear()
    for kind in (False, True):
        found = asked.complete("He", 3, 9, 1.0, seed=5, chat=kind)
        assert len(found) == 3
        assert all((each.logprobs is None) == (kind == chat) for each in found)
    # The other interface is still asked for everything at once.
    assert [body.get("n") for path, body in stub.asked if ("chat" in path) != chat] == [3]
    assert not any(name in body for path, body in stub.asked if ("chat" in path) == chat for name in refused)


def test_the_probe_sees_what_is_passed_over(stub):
    stub.ignores, stub.logprobs = ("n", "seed"), False
    found = probe(transport(stub), "tiny", "completions").completions
    assert (found.n, found.seed, found.repeats, found.logprobs) == (False, True, False, False)


def test_a_server_without_reasons_and_log_probabilities_is_asked_for_one_at_a_time(stub):
    stub.finish = None
    assert probe(transport(stub), "tiny", "completions").completions.n
    stub.logprobs = False
    assert not probe(transport(stub), "tiny", "completions").completions.n


def test_one_text_whatever_the_seed_is_refused(stub):
    stub.same = True
    with pytest.raises(ServerError, match="gives the same text whatever the seed: it does not sample") as caught:
        server(stub)()
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_there_is_named_with_those_that_are(stub):
    with pytest.raises(
        ServerError, match=r"does not have the model 'big', it has 'tiny'; correct language_model.model"
    ):
        server(stub, model="big").check()


def test_a_server_that_answers_by_any_name_is_taken_by_its_own(stub):
    stub.owner = "llamacpp"
    with pytest.raises(ServerError, match="does not have the model 'big', it has 'tiny'"):
        server(stub, model="big").check()
    server(stub).check()


def test_a_wrong_address_is_named(stub):
    with pytest.raises(ServerError, match="expected an address that ends in /v1"):
        LanguageModelServer(stub.url.removesuffix("/v1"), "tiny", retries=0).check()


def test_nobody_there_is_one_line_at_once():
    with Stub() as gone:
        url = gone.url
    with pytest.raises(
        ServerError, match=r"cannot be reached .*; start the server, or correct language_model.url"
    ) as caught:
        LanguageModelServer(url, "tiny", wait=1000.0).check()
    assert "\n" not in str(caught.value)


def test_a_server_that_is_loading_is_waited_for(stub):
    stub.troubles = [503, 503]
    assert server(stub)().client.abilities.completions is not None


@pytest.fixture
def locked():
    with Stub(key=KEY) as each:
        yield each


def test_the_key_comes_from_the_environment(locked, monkeypatch):
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    served = server(locked, key_variable="MY_KEY")()
    assert served.client.complete("He", 1, 9, 1.0)


def test_the_key_is_told_to_nobody(locked, monkeypatch, caplog, capfd, tmp_path):
    caplog.set_level(logging.DEBUG)
    told = []
    for key, trouble in ((f"{KEY}x", []), (KEY, [429] * 9), (KEY, [400] * 9)):
        monkeypatch.setenv("MY_KEY", key)
        locked.troubles = trouble
        with pytest.raises(ServerError) as caught:
            server(locked, key_variable="MY_KEY", cache=tmp_path)()
        told.append(str(caught.value))
    assert "the key in MY_KEY was refused (status 401)" in told[0]
    locked.troubles = []
    served = server(locked, key_variable="MY_KEY", cache=tmp_path)()
    served.client.complete("He", 1, 9, 1.0, seed=1)
    served.client.cache.close()
    said = [*told, caplog.text, *capfd.readouterr(), repr(served.client), served.name, served.fingerprint]
    said += [path.read_bytes().decode("latin1") for path in tmp_path.iterdir()]
    assert not any(KEY[:12] in each for each in said)


def test_a_key_that_is_missing_or_written_in_the_settings_is_refused(locked, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="MY_KEY: this environment variable is not set"):
        server(locked, key_variable="MY_KEY").check()
    with pytest.raises(ServerError, match=r"it wants a key; name its variable with language_model.key_variable"):
        server(locked).check()
    with pytest.raises(ConfigError, match="expected the name of an environment variable") as caught:
        server(locked, key_variable=KEY)
    assert KEY not in str(caught.value)
    with pytest.raises(ConfigError, match="no user and no password") as caught:
        LanguageModelServer(f"https://me:{KEY}@example.org/v1", "tiny")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "ftp://x"}, r"language_model.url: expected http://HOST:PORT/v1 or https://..., got 'ftp://x'"),
        ({"url": "http://x:abc/v1"}, "language_model.url: expected"),
        ({"model": " "}, "language_model.model: expected the name"),
        ({"api": "grpc"}, "language_model.api: expected auto, completions or chat"),
        ({"concurrency": 0}, "expected concurrency >= 1"),
        ({"extra": {"seed": 1, "top_k": 3}}, "language_model.extra: seed cannot be set there"),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        LanguageModelServer(**{"url": "http://127.0.0.1:1/v1", "model": "x"} | options)


def test_extra_fields_go_along(stub):
    served = server(stub, extra={"top_k": 40, "max_tokens": None, "max_completion_tokens": 9})()
    served.client.complete("He", 1, 9, 1.0)
    assert all((body["top_k"], body["max_completion_tokens"]) == (40, 9) for _, body in stub.asked)
    assert not any("max_tokens" in body for _, body in stub.asked)
    assert served.fingerprint != server(stub)().fingerprint


def test_texts_of_a_server_are_no_json_trap(stub):
    stub.write = lambda body, seed: f" \u2028\x00'{json.dumps({'a': seed}, allow_nan=False)}"
    assert client(stub).complete("He", 1, 9, 1.0, seed=2)[0].text == " \u2028\x00'" + '{"a": 200}'


def test_a_damaged_reply_is_asked_for_again_and_a_damaged_cache_is_begun_anew(stub, tmp_path):
    request = CompletionRequest("He", 1, 9, 1.0, seed=1)
    first = client(stub, cache=RequestCache(tmp_path, stub.url))
    found = first.complete_all([request])
    path = first.cache.path
    first.cache.close()
    text = found[0].completions[0].text.encode()
    content = path.read_bytes()
    assert content.count(text) == 1
    path.write_bytes(content.replace(text, bytes([text[0] ^ 1]) + text[1:]))
    again = client(stub, cache=RequestCache(tmp_path, stub.url))
    assert again.complete_all([request]) == found
    assert again.usage.cached == 0
    again.cache.close()
    path.write_bytes(b"x" * 4096)
    anew = client(stub, cache=RequestCache(tmp_path, stub.url))
    assert anew.complete_all([request]) == found
    assert len(stub.asked) == 3
    anew.cache.close()
