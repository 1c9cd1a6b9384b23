"""Which surface features of an embedded corpus reveal the label: `python -m benchmarks.corpus [--name NAME]`.

Prints a small table and the block for the datasheet; the last line is one JSON object. The datasheet quotes these
numbers and a test recomputes them. There is one size, which takes about a minute; `--quick` is accepted and has no
effect.
"""

from __future__ import annotations

import json
from typing import get_args

from benchmarks._common import command_line, finish
from benchmarks.corpus.measures import measure
from vos.data import EmbeddedData
from vos.data.embedded import CorpusName


def main() -> None:
    """Print the table, the block and the JSON line."""
    parser = command_line(__doc__, quick="the same")
    parser.add_argument("--name", choices=get_args(CorpusName), default=EmbeddedData.name)
    result = measure(parser.parse_args().name)
    for group, values in result.items():
        print(group)
        for name, value in values.items():
            print(f"  {name:40} {value}")
    print(f"```json\n{json.dumps(result, indent=2, allow_nan=False)}\n```")
    finish(result)


if __name__ == "__main__":
    main()
