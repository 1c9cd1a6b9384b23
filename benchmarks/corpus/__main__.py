"""What in the embedded corpus could give a label away without understanding: `python -m benchmarks.corpus`.

Prints a small table; the last line is one JSON object. The datasheet quotes these numbers and a test recomputes them.
There is one size, which takes about a minute; `--quick` is taken and changes nothing.
"""

from __future__ import annotations

from benchmarks._common import command_line, finish
from benchmarks.corpus.measures import measure, read_rows


def main() -> None:
    """Print the table and the JSON line."""
    command_line(__doc__, quick="the same").parse_args()
    result = measure(read_rows())
    for group, values in result.items():
        print(group)
        for name, value in values.items():
            print(f"  {name:32} {value}")
    finish(result)


if __name__ == "__main__":
    main()
