"""Difficult values: a seeded corpus, and hypothesis strategies that mix it with generated values."""

from __future__ import annotations

from hypothesis import strategies as st

PLAIN = ("In the road, he fell.", "She read a book.", "The ladder slipped.", "A quiet day", "He was hit")

HUGE = "huge " * 200_000
"""10^6 characters."""

NASTY = (
    "",
    " ",
    "\t",
    "nan",
    " NaN ",
    "None",
    "NULL",
    "\\N",
    "a" * 99_999,
    "a" * 100_000,
    "a" * 100_001,
    "\u202eright to left\u202c",
    "zero\u200bwidth\u200d\ufeff",
    "\u200b",
    "e" + "\u0301" * 500,
    "line\u2028separator\u2029paragraph\x85next",
    "\u0440\u0430\u0443\u0440\u0430l homoglyphs",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308 \U0001f1fa\U0001f1f8 emoji",
    "<script>alert(1)</script>",
    "</td></tr>&amp;&lt;",
    "=1+1",
    "@SUM(A1)",
    "+cmd|' /C calc'!A0",
    "-2",
    "'=1+1",
    "{{7*7}} ${7*7} <%= 7 %> #{7}",
    "!!python/object/apply:os.system [id]",
    "${oc.env:HOME}",
    "key: value\n- item",
    "---\n...",
    'quote " in it',
    '"whole in quotes"',
    '""',
    '"',
    "'",
    "two\nlines",
    "dos\r\nlines",
    "mac\rline",
    "a,b;c\td|e",
    "[1, 2]",
    "['a']",
    "{'a': 1}",
    "[sic]",
    "sep=,",
    "\x1b[31mred\x1b[0m",
    "\x7f\x01\x1f",
    "\ufdfd \ufb00 ß \u0130 \u0131",
    "__proto__",
    "../../etc/passwd",
    "%s %n %d {0}",
    "\\u0000 \\n \\",
    "#comment",
    "0",
)

SURROGATES = ("\ud800", "a\udfffb", "\udc00\ud800", "text \ud83d")
"""Halves of characters: JSON can hold them, UTF-8 cannot."""

WITH_NUL = ("a\0b", "\0")

LABELS = (
    "harm",
    "safe",
    "Harm",
    " safe ",
    "0",
    "1",
    "1.0",
    "+1.0",
    "007.0",
    "-0.0",
    "1.0e+00",
    "1e+99",
    "0.5",
    "inf",
    "-Infinity",
    "true",
    "FALSE",
    "none",
    "n/a",
    "NA",
    "#N/A",
    "٣.0",
    "²",
    "9" * 5_000,
    "9" * 5_000 + ".0",
    "level " + "9" * 5_000,
    "unsure",
    "class:unsure",
    "withdrawn",
    "",
)

NUMBERS = (
    0,
    1,
    -1,
    2**53 + 1,
    -(2**63),
    2**64,
    10**400,
    0.0,
    -0.0,
    0.1,
    1.0,
    1e22,
    1e23,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    float("-inf"),
    True,
    False,
)

SYNTAX = ",;|\t\"'\n\r a1=\\{}[]:.\u2028\ufeff"
"""What the grammars of tables are made of."""


def texts(*more: str) -> st.SearchStrategy[str]:
    """Mostly nasty, some plain, some drawn; a few of 10^6 characters."""
    rare = st.integers(0, 400).map(lambda n: HUGE if n == 400 else PLAIN[n % len(PLAIN)])
    known = st.sampled_from((*NASTY, *more))
    return st.one_of(st.sampled_from(PLAIN), known, rare, st.text(max_size=20), st.text(SYNTAX, max_size=12))


def labels(*more: str) -> st.SearchStrategy[str]:
    """Class names as a column holds them."""
    return st.one_of(st.sampled_from(("harm", "safe")), st.sampled_from((*LABELS, *more)), st.text(SYNTAX, max_size=4))


def json_values() -> st.SearchStrategy[object]:
    """Anything that JSON can hold in place of a text or a label."""
    leaves = st.one_of(
        st.none(), st.sampled_from(NUMBERS), labels(*SURROGATES, *WITH_NUL), texts(*SURROGATES, *WITH_NUL)
    )

    def around(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
        return st.lists(inner, max_size=3) | st.dictionaries(labels(), inner, max_size=2)

    return st.recursive(leaves, around, max_leaves=4)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes with one to three places cut out, flipped, or filled with something else."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        how = draw(st.integers(0, 4))
        if how == 0:
            content = content[:place]
        elif how == 1:
            content = content[:place] + content[place + draw(st.integers(1, 9)) :]
        elif how == 2 and content:
            content = content[:place] + bytes([content[place] ^ (1 << draw(st.integers(0, 7)))]) + content[place + 1 :]
        elif how == 3:
            content = content[:place] + draw(st.sampled_from(INSERTED)) + content[place:]
        else:
            content = content[:place] + draw(st.binary(max_size=4)) + content[place:]
    return content


INSERTED = (
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\xf4\x90\x80\x80",
    b"\r",
    b"\n\n",
    b'"',
    b'""',
    b",",
    b"\t",
    b"}",
    b"[",
    b"\\",
    b"\\ud800",
    b"1e999",
    b"-",
    b"\xe2\x80\xa8",
)
"""NUL, marks of other encodings, bytes that are no UTF-8, and pieces of syntax."""
