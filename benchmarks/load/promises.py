"""The guarantees stated on the page on malformed input and load, and the test of each."""

HEAD = """# Hostile input and load

Files come from scrapers, spreadsheets and strangers, and projects grow. This page says what the programs do with
broken or hostile files and with large ones, which test checks it, and what was measured.
[SECURITY.md](generated/security.md) says what files cannot make the programs do.

Everything was measured on 2 CPU cores with bfloat16 instructions that other work shared. Seconds are those of
processor time where nothing else is said. The page is written by `python -m benchmarks.load.page` from
[kept figures](hostile_input_and_load.json):

    make fuzz                             # 10,000 files of each format, 500 folders of runs; resumable
    python -m benchmarks.load             # ledgers, page, sweep, training set; resumable
    SOAK_MINUTES=60 make faults-soak      # the whole loop again and again
    python -m benchmarks.load.page --figures outputs/benchmarks/fuzz/figures.json outputs/benchmarks/load/figures.json

## What is promised
"""

PROMISES = (
    (
        "Every row of a csv, tsv, jsonl, json or Parquet file is loaded as a naive reader that shares no code with "
        "this package reads it, or named with file and line; a file that cannot be read is refused in one line",
        "`tests/benchmarks/test_fuzz.py`",
    ),
    (
        "What cannot be kept is named: halves of characters and NUL in any column, numbers of thousands of digits, a "
        "name twice in one object, dates that Python cannot hold, pipes, devices, archives, loops of links",
        "`tests/data/test_hostile_values.py`",
    ),
    (
        "An answer is kept or named with its line, whatever its fields hold; so is every annotation of a Label "
        "Studio export",
        "`tests/labeling/test_hostile_answers.py`",
    ),
    (
        "A folder of a run that somebody edited is refused in one line, or does what it did before; it runs no code",
        "`tests/benchmarks/test_fuzz.py`, `tests/cli/test_saved_settings.py`",
    ),
    (
        "Sheets of hostile texts hold no formula in a real LibreOffice, and the answers come back from it",
        "`tests/labeling/test_libreoffice.py`",
    ),
    (
        "Every question to the ledger has an index; an import reads the texts of its own rows, however large the "
        "ledger",
        "`tests/labeling/test_large_ledger.py`",
    ),
    (
        "Ledger, page, comparison and training set in sizes of 10^5 and more, and the loop for as long as asked, run "
        "to their end by one command each",
        "`tests/benchmarks/test_load.py`",
    ),
)
