"""Program output shown on a page, compared with the current output of the program."""

from __future__ import annotations

import re

LEFT_OUT = "..."
"""A line of an excerpt that stands for any number of lines."""

OPTIONAL = re.compile(r"(round|kept|#| )*|─+|truncation: .*|harm missed there .*")
"""Lines that are not compared: heads of a table of rounds, its rule, and what not every run has."""

OF_A_RUN = (
    (r"python -m vos (train|synthesize)\b", r"python \1.py"),  # as it was called
    (r"^(device: CPU), .*", r"\1"),
    (r"\b(harmful|harmless)( #)?(, (harmful|harmless)( #)?)?$", "sides"),
    (r"^(Round # is kept), .*", r"\1"),
    (r"^(labelling round #): .*", r"\1"),
)
"""What differs from run to run beside the numbers."""


def stable(line: str) -> str:
    """A line without what differs from run to run; "" for one that need not be there.

    Example:
        >>> stable("  rows   56: 56 new"), stable("   accuracy   0.9162    0.8994      0.905")
        ('rows #: # new', 'accuracy')
    """
    line = re.sub(r"\br\d\d-[0-9a-f]{8}\b", "#", line)
    line = re.sub(r"\d[\d.,]*\d|\d", "#", " ".join(line.split()))
    line = re.sub(r"( #)+$", "", re.sub(r"#( #)+", "#", line))
    for pattern, words in OF_A_RUN:
        line = re.sub(pattern, words, line)
    return "" if OPTIONAL.fullmatch(line) else line


def missing(excerpt: str, printed: str) -> list[str]:
    """Lines of an excerpt that were not printed, in this order and without another one between them.

    Example:
        >>> missing("a 1\\n...\\nd 2", "a 5\\nb\\nc\\nd 7"), missing("a 1\\nc", "a 5\\nb\\nc")
        ([], ['c'])
    """
    lines = [each for each in map(stable, printed.splitlines()) if each]
    at, anywhere, wrong = 0, True, []
    for line in excerpt.splitlines():
        wanted = stable(line)
        if line.strip() == LEFT_OUT:
            anywhere = True
        elif wanted:
            found = next((i for i in range(at, len(lines)) if lines[i] == wanted), None)
            if found is None or (found != at and not anywhere):
                wrong.append(line)
            else:
                at, anywhere = found + 1, False
    return wrong
