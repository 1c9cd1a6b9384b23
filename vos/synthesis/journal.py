"""The journal of made texts, written after each target and counterfactual, so that a killed run can be continued."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vos.errors import DataError, RunError
from vos.generation.counterfactuals import Counterfactual
from vos.generation.reach import Outcome
from vos.storage.atomic import write_atomically
from vos.storage.json_files import json_line
from vos.storage.sealed import SEAL, sealed, unsealed

logger = logging.getLogger(__name__)


@dataclass
class Kept:
    """Content of a journal.

    Attributes:
        identity: hash of the work it belongs to; empty if not even that was written.
        outcomes: outcomes by target.
        counterfactuals: counterfactuals by row of the training text.
        end: number of bytes up to the end of the last whole line.
    """

    identity: str = ""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    counterfactuals: dict[int, Counterfactual] = field(default_factory=dict)
    end: int = 0


class Journal:
    """Finished targets and counterfactuals, one JSON line each, after a line that identifies the work.

    Args:
        path: path of the file.
        identity: hash of everything that decides which texts are made.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity

    def read(self) -> Kept:
        """Read the journal; a journal of other work is replaced by an empty one, an incomplete last line is removed."""
        kept = read_journal(self.path) if self.path.exists() else Kept()
        if kept.identity == self.identity:
            os.truncate(self.path, kept.end)
            logger.info(
                "%s: %d targets and %d counterfactuals are finished, going on",
                self.path,
                len(kept.outcomes),
                len(kept.counterfactuals),
            )
            return kept
        if kept.identity:
            logger.info("%s belongs to other settings; starting over", self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, json_line(sealed({"identity": self.identity})) + "\n")
        return Kept(self.identity)

    def add(self, part: Outcome | Counterfactual) -> None:
        """Append an outcome or a counterfactual; it is synced to disk when this returns."""
        with self.path.open("a", encoding="utf-8", errors="surrogatepass") as file:
            file.write(json_line(sealed(asdict(part))) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_journal(path: Path, *, check: bool = True) -> Kept:
    """Read a journal.

    Args:
        path: path of the file.
        check: whether each line must be unchanged; verification turns this off and names the values that differ.

    Raises:
        DataError: a complete line is not of the form that `Journal` writes.
    """
    kept = Kept()
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break  # the run was killed while writing this line
        try:
            values = json.loads(line)
            values = unsealed(values, path) if check else {k: v for k, v in values.items() if k != SEAL}
            if number == 1:
                kept.identity = str(values["identity"])
            elif "row" in values:
                kept.counterfactuals[values["row"]] = Counterfactual.from_dict(values)
            else:
                kept.outcomes[values["target"]] = Outcome.from_dict(values)
        except (AttributeError, KeyError, TypeError, ValueError, RunError) as error:
            raise DataError(
                f"{path}:{number}: expected a line of a generation journal as it was written; delete the file"
            ) from error
        kept.end += len(line)
    return kept
