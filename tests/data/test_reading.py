"""Files as written by spreadsheets, data frames and older programs."""

import json
import logging

import pyarrow as pa
import pytest
from pyarrow import parquet

from vos.data import PoolFile, load_files, read_rows
from vos.data.settings import FileFormat
from vos.errors import ConfigError, DataError

TEXTS = [f"In the road, the baker said number {i}." for i in range(40)]
LABELS = ["harm" if i % 2 else "safe" for i in range(40)]


def table(separator=",", end="\n", header=("text", "label"), labels=LABELS, texts=TEXTS):
    """A table as a careful program writes it: fields in quotes where they need it."""

    def field(value):
        needs = any(each in value for each in (separator, '"', "\n", "\r"))
        return '"' + value.replace('"', '""') + '"' if needs else value

    rows = [header, *zip(texts, labels, strict=True)]
    return "".join(separator.join(map(field, row)) + end for row in rows)


def everything(data):
    return {each.text: data.label_names[each.label] for each in (*data.train, *data.val, *data.test)}


WANTED = dict(zip(TEXTS, LABELS, strict=True))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "A.CSV"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separator_line_ends_and_mark_are_found(write, separator, name, end, encoding):
    assert everything(load_files(write(name, table(separator, end).encode(encoding)))) == WANTED


def test_the_separator_of_a_header_with_several_is_the_one_of_even_rows(write):
    content = table(
        ";",
        header=(
            "text",
            "label",
        ),
        texts=TEXTS,
    ).replace("text;label", "text;label, as voted")
    data = load_files(write("a.csv", content), label="label, as voted")
    assert everything(data) == WANTED
    rows = list(read_rows(write("b.csv", "text;label, as voted\na, b, b;c\n")))
    assert rows == [(2, {"text": "a, b, b", "label, as voted": "c"})]
    with pytest.raises(DataError, match=r"d\.csv:1: the header can be read with comma or semicolon .*separator="):
        list(read_rows(write("d.csv", "a,b;c\nd,e;f\n")))
    assert list(read_rows(write("d.csv", "a,b;c\nd,e;f\n"), FileFormat(separator="semicolon"))) == [
        (2, {"a,b": "d,e", "c": "f"})
    ]


@pytest.mark.parametrize("given", ["tab", "\\t", "\t"])
def test_a_separator_that_is_given_holds(write, given):
    path = write("a.csv", table("\t"))
    assert everything(load_files(path, separator=given)) == WANTED
    with pytest.raises(DataError, match=r"expected a column 'text', found"):
        load_files(path, separator=";")


@pytest.mark.parametrize("options", [{"separator": ";;"}, {"separator": '"'}, {"separator": ""}, {"encoding": "no"}])
def test_formats_that_cannot_be(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        FileFormat(**options)


def test_a_spreadsheet_may_say_what_separates(write):
    rows = list(read_rows(write("a.csv", "sep=|\ntext|label\na;b,c|x\n")))
    assert rows == [(3, {"text": "a;b,c", "label": "x"})]


def test_spaces_around_the_names_of_a_header_do_not_count(write):
    rows = list(read_rows(write("a.csv", ' text , label\n "In the road, he", x\n')))
    assert rows == [(2, {"text": "In the road, he", "label": "x"})]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "latin-1"])
def test_an_encoding_that_is_named(write, encoding):
    path = write("a.csv", table(texts=[f"{text} ü" for text in TEXTS], end="\r\n").encode(encoding))
    assert set(everything(load_files(path, encoding=encoding))) == {f"{text} ü" for text in TEXTS}
    with pytest.raises(DataError, match=r"a\.csv:\d+: .*expected UTF-8, found .*encoding="):
        load_files(path)


def test_a_file_without_a_header_says_so_and_shows_no_text(write):
    path = write("a.csv", table().partition("\n")[2])
    with pytest.raises(DataError, match="is the first line a header") as caught:
        load_files(path)
    assert "baker" not in str(caught.value)


QUOTED = '"He said ""no"" to\tall"\tsafe\n"two\nlines"\tharm\nplain\tsafe\n'


def test_tabs_with_quotes_as_a_data_frame_writes_them(write):
    rows = [row for _, row in read_rows(write("a.tsv", "text\tlabel\n" + QUOTED))]
    assert [row["text"] for row in rows] == ['He said "no" to\tall', "two\nlines", "plain"]
    path = write("b.tsv", 'text\tlabel\n"Oh" he said\tsafe\nshe said "no"\tharm\n')
    assert [row["text"] for _, row in read_rows(path)] == ['"Oh" he said', 'she said "no"']
    path = write("c.tsv", 'text\tlabel\n"open\tsafe\nand closed"\tharm\n"x\tharm\nsaid "\tsafe\n')
    assert [row["text"] for _, row in read_rows(path)] == [
        '"open',
        'and closed"',
        '"x',
        'said "',
    ]  # whole rows: no quotes


@pytest.mark.parametrize("bad", ['"Oh" he said\tsafe\n', '"never closed\tsafe\n'])
@pytest.mark.parametrize("first", [True, False])
def test_tabs_with_both_kinds_of_quotes_are_an_error(write, bad, first):
    path = write("a.tsv", "text\tlabel\n" + (bad + QUOTED if first else QUOTED + bad))
    with pytest.raises(DataError, match=r"a\.tsv: expected double quotes .* quoted=true or quoted=false"):
        list(read_rows(path))
    assert list(read_rows(path, FileFormat(quoted=False)))[0 if first else -1][1]["label"] == "safe"


def test_a_pool_of_one_column_keeps_texts_of_several_lines_whole(write):
    path = write("p.tsv", "text\n" + "".join(f'"In the road,\nhe fell {i}"\n' for i in range(5)))
    assert [each.text for each in PoolFile(path=path).open()] == [f"In the road,\nhe fell {i}" for i in range(5)]
    assert len(list(PoolFile(path=path, quoted=False).open())) == 10


def test_a_pool_takes_every_option_of_a_data_file(write, caplog):
    path = write("p.csv", b"BODY|who\na \xfc|ann\n &amp;c|bob\n|cid\nd|none\nlast|eve\n")
    pool = PoolFile(path=path, text="BODY", group="who", separator="|", encoding="cp1252", on_bad_row="skip",
                    unescape=True, limit=4, max_chars=9, quoted=False, missing=["none"])  # fmt: skip
    with caplog.at_level(logging.WARNING):
        assert [(each.text, each.group) for each in pool.open()] == [("a ü", "ann"), (" &c", "bob"), ("d", None)]
    assert f"left out 1 bad rows of the pool, the first: {path}:4:" in caplog.text
    with pytest.raises(ConfigError, match="expected the path of a file"):
        PoolFile().open()


@pytest.mark.parametrize("written", ["NaN", "nan", "<NA>", "None", "null", "NULL", "NA", "#N/A", "\\N", "", " "])
def test_a_gap_in_a_table_is_no_class(write, written):
    path = write("a.csv", table(labels=[written, *LABELS[1:]]))
    with pytest.raises(DataError, match=r"1 bad row: .*a\.csv:2: column 'label': found no label"):
        load_files(path)
    data = load_files(path, on_bad_row="skip")
    assert data.label_names == ("safe", "harm")
    assert [row.line for row in data.skipped] == [2]


def test_gaps_of_other_formats_are_no_classes(write, tmp_path):
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
    for label in (float("nan"), None):
        path = write("a.jsonl", [{**rows[0], "label": label}, *rows[1:]])
        assert load_files(path, on_bad_row="skip").label_names == ("safe", "harm")
    numbers = pa.array([None if i == 0 else float(i % 2) for i in range(40)])
    parquet.write_table(pa.table({"text": TEXTS, "label": numbers}), tmp_path / "a.parquet")
    data = load_files(tmp_path / "a.parquet", on_bad_row="skip")
    assert (data.label_names, len(data.skipped)) == (("0", "1"), 1)


@pytest.mark.parametrize("name", ["none", "n/a"])
def test_a_class_may_be_called_none(write, name):
    path = write("a.csv", table(labels=[label.replace("safe", name) for label in LABELS]))
    assert load_files(path).label_names == (name, "harm")


def test_a_name_for_no_label_is_a_class_where_the_settings_say_so(write):
    path = write("a.csv", table(labels=[label.replace("safe", "None") for label in LABELS]))
    assert set(load_files(path, missing=[]).label_names) == {"harm", "None"}
    assert set(load_files(path, label_map={"None": "fine", "harm": "harm"}).label_names) == {"fine", "harm"}
    with pytest.raises(DataError, match=r"'None' means that there is none, see missing"):
        load_files(path)


def test_gaps_in_groups_make_no_group(write):
    content = "text,label,who\n" + "".join(f"t {i},{'ab'[i % 2]},nan\n" for i in range(40))
    data = load_files(write("a.csv", content), group="who", positive="b")
    assert {each.group for each in data.train} == {None}


LIST_FORMS = [lambda names: names, str, json.dumps]


@pytest.mark.parametrize("form", LIST_FORMS)
def test_lists_are_named_and_reduced_by_what_is_harmful(write, form):
    several = [["Threat", "spam"], [], ["spam"], ["harm"]]
    path = write("a.jsonl", [{"text": text, "tags": form(several[i % 4])} for i, text in enumerate(TEXTS)])
    with pytest.raises(DataError, match=r"column 'tags': found a list of 2 values, .*positive=LABEL.*label=tags\.0"):
        load_files(path, label="tags")
    data = load_files(path, label="tags", positive=["harm", "threat"])
    assert data.label_names == ("not harm or threat", "harm or threat")
    expected = {text: ["harm or threat", "not harm or threat"][i % 4 in (1, 2)] for i, text in enumerate(TEXTS)}
    assert everything(data) == expected
    assert load_files(path, label="tags", positive="spam").label_names == ("not spam", "spam")
    for mistyped in ("spum", ["spam", "spum"]):
        found = r"positive: expected classes of \['Threat', 'harm', 'spam'\], .*found \['spum'\]"
        with pytest.raises(ConfigError, match=found):
            load_files(path, label="tags", positive=mistyped)


def test_parts_of_objects_are_named_with_dots(write):
    rows = [
        {"text": {"body": text}, "label": {"name": label}, "by": ["x", {"who": i // 2}]}
        for i, (text, label) in enumerate(WANTED.items())
    ]
    path = write("a.jsonl", rows)
    with pytest.raises(DataError, match=r"found an object with the keys 'name', .* such as label=label\.name"):
        load_files(path, text="text.body")
    with pytest.raises(DataError, match=r"column 'by': found a list of 2 values, .*by\.0"):
        load_files(path, text="text.body", label="label.name", group="by")
    data = load_files(path, text="text.body", label="label.name", group="by.1.who")
    assert everything(data) == WANTED
    groups = {text: str(i // 2) for i, text in enumerate(WANTED)}
    assert {each.text: each.group for each in data.train} == {each.text: groups[each.text] for each in data.train}


@pytest.mark.parametrize("numbers", [("0.0", "1.0"), ("0", "1")])
def test_whole_numbers_are_the_same_classes_in_every_format(write, numbers):
    data = load_files(write("a.csv", table(labels=[numbers[i % 2] for i in range(40)])))
    assert data.label_names == ("0", "1")
    data = load_files(write("a.jsonl", [{"text": text, "label": float(i % 2)} for i, text in enumerate(TEXTS)]),
                      label_map={0: "fine", "1.0": "bad"}, positive="BAD")  # fmt: skip
    assert data.label_names == ("fine", "bad")


@pytest.mark.parametrize("words", [("false", "true"), ("FALSE", "TRUE"), ("False", "True")])
def test_truth_values_are_the_same_classes_in_every_format(write, words):
    train = write("a.csv", table(labels=[words[i % 2] for i in range(40)]))
    val = write("b.jsonl", [{"text": f"v {i}", "label": bool(i % 2)} for i in range(4)])
    data = load_files(train, val=val, positive=True)
    assert data.label_names == ("False", "True")
    assert [each.label for each in data.val] == [0, 1, 0, 1]


def test_spellings_of_a_class_are_one_and_said_once(write, caplog):
    labels = ["harm" if i % 2 else ("Safe", " safe ", "safe", "SAFE")[i // 2 % 4] for i in range(40)]
    val = write("v.csv", "text,label\nx,sAFE\ny,Harm\n")
    with caplog.at_level(logging.WARNING):
        data = load_files(write("a.csv", table(labels=labels)), val=val, label_map=None)
    assert data.label_names == ("safe", "harm")
    said = [record.message for record in caplog.records if "spellings" in record.message]
    assert len(said) == 2
    assert all(f"'{name}'" in said[0] for name in ("safe", "Safe", "SAFE", "sAFE"))
    assert [each.label for each in data.val] == [0, 1]
    mapped = load_files(write("a.csv", table(labels=labels)), label_map={"SAFE": "ok", "harm": "bad", "Harm": "bad"})
    assert mapped.label_names == ("ok", "bad")
    with pytest.raises(ConfigError, match="expected one class for the spellings of"):
        load_files(write("a.csv", table(labels=labels)), label_map={"SAFE": "ok", "safe": "bad"})


def test_rows_are_judged_by_the_header(write):
    path = write("a.csv", table().replace("label\n", 'label\n"a row without its label"\n', 1) + "a,b,c\n")
    with pytest.raises(DataError, match=r"2 bad rows: .*a\.csv:2: .*1 fields.*a\.csv:43: .*3 fields") as caught:
        load_files(path)
    assert "\n" not in str(caught.value)
    data = load_files(path, on_bad_row="skip")
    assert [row.line for row in data.skipped] == [2, 43]
    assert everything(data) == WANTED


def test_objects_are_judged_by_what_others_have(write):
    rows = [{"text": text, "label": label} for text, label in WANTED.items()]
    path = write("a.jsonl", [{"text": "no label here"}, *rows])
    with path.open("a") as file:
        file.write('[1]\n{"text": "half-wri')
    with pytest.raises(DataError, match=r"3 bad rows: .*:1: .*no label.*:42: .*found an array.*:43: .*not JSON"):
        load_files(path)
    data = load_files(path, on_bad_row="skip")
    assert sorted(row.line for row in data.skipped) == [1, 42, 43]
    assert everything(data) == WANTED
