from vos.cli.tables import in_words


def test_a_report_is_read_in_words():
    assert in_words({"above": 27, "left_over": {}, "nearest": {"a_b": 0.123456}}) == (
        "above 27, left over none, nearest a b 0.1235"
    )
    assert in_words([549, 561]) == "549, 561"
    assert in_words([]) == ""
    assert in_words(None) == "None"
