"""What a server's JSON says."""

import pytest

from vos.errors import ServerError
from vos.generation.server.replies import Reply


def test_tokens_that_the_server_does_not_count_are_guessed():
    assert Reply.from_json({"choices": [{"text": "a" * 10}]}).completion_tokens == 3
    row = {"text": "a b", "logprobs": {"token_logprobs": [-1, -2.0]}}
    assert Reply.from_json({"choices": [row]}).completion_tokens == 2
    thinking = {"message": {"content": "<think>Hm.\n</think>He fell."}, "finish_reason": None}
    assert Reply.from_json({"choices": [thinking]}).completions[0] == ("He fell.", "unknown", None)


@pytest.mark.parametrize(
    ("choices", "usage", "reasons"),
    [
        ([{"text": " on and on"}], 5, ["length"]),
        ([{"text": " on and on"}], 4, ["stop"]),
        ([{"text": " on and on", "finish_reason": "eos"}], 5, ["eos"]),
        ([{"text": ""}], 5, ["stop"]),
        ([{"text": " " + "on" * 9}], None, ["length"]),
        ([{"text": " on"}], None, ["stop"]),
        ([{"text": " on", "logprobs": {"token_logprobs": [-1.0] * n}} for n in (4, 5)], 9, ["stop", "length"]),
        ([{"text": " " + "on" * 9}, {"text": " on"}], 7, ["length", "stop"]),
    ],
)
def test_a_reason_that_is_not_given_follows_from_the_tokens(choices, usage, reasons):
    value = {"choices": [{"finish_reason": None} | each for each in choices]}
    value |= {} if usage is None else {"usage": {"completion_tokens": usage}}
    assert [each.finish_reason for each in Reply.from_json(value, 5).completions] == reasons


@pytest.mark.parametrize(
    "value", [None, [], {"choices": {}}, {"choices": ["x"]}, {"choices": [{"text": 3}]}, {"choices": [{}]}]
)
def test_json_of_another_shape_is_no_reply(value):
    with pytest.raises(ServerError, match="is this an OpenAI-compatible API"):
        Reply.from_json(value)
