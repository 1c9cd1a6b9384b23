"""Labelling: sending texts to people, and importing their answers.

Nothing here needs torch except `vos.labeling.quality`; the labelling tools are in `vos.labeling.backends`.
"""

from vos.labeling.answers import LabelRow, import_labels
from vos.labeling.backends.files import read_labels, write_labels
from vos.labeling.batch_files import read_jsonl, write_csv, write_jsonl
from vos.labeling.consensus import adjudication_list, consensus
from vos.labeling.item import Item
from vos.labeling.label import SKIP, UNSURE, Label, Span, exact_hash
from vos.labeling.ledger import Ledger
from vos.labeling.records import BoundaryRecord, RecordCoverage, RecordTarget
from vos.labeling.state import current_labels, state_counts, text_states
from vos.storage.text_ids import text_uid

__all__ = [
    "SKIP",
    "UNSURE",
    "BoundaryRecord",
    "Item",
    "Label",
    "LabelRow",
    "Ledger",
    "RecordCoverage",
    "RecordTarget",
    "Span",
    "adjudication_list",
    "consensus",
    "current_labels",
    "exact_hash",
    "import_labels",
    "read_jsonl",
    "read_labels",
    "state_counts",
    "text_states",
    "text_uid",
    "write_csv",
    "write_jsonl",
    "write_labels",
]
