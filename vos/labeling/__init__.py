"""Texts on their way to people, and answers on their way back."""

from vos.labeling.agreement import agreement_report, answer_shares, krippendorff_alpha
from vos.labeling.consensus import Consensus, adjudication_list, consensus
from vos.labeling.errors import LedgerError, ToolError
from vos.labeling.files import read_jsonl, write_csv, write_jsonl
from vos.labeling.gold import GoldScore, gold_scores
from vos.labeling.importing import ImportReport, import_labels
from vos.labeling.label import SKIP, UNSURE, Label, Span, exact_hash, label_from_dict
from vos.labeling.label_files import LabelRow, read_labels, write_blind_csv, write_labels
from vos.labeling.ledger import ExportedBatch, Ledger
from vos.labeling.records import SCHEMA_VERSION, BoundaryRecord, RecordTarget
from vos.labeling.state import current_labels, repeats, state_counts, text_states
from vos.storage.text_ids import text_uid

__all__ = [
    "SCHEMA_VERSION",
    "SKIP",
    "UNSURE",
    "BoundaryRecord",
    "Consensus",
    "ExportedBatch",
    "GoldScore",
    "ImportReport",
    "Label",
    "LabelRow",
    "Ledger",
    "LedgerError",
    "RecordTarget",
    "Span",
    "ToolError",
    "adjudication_list",
    "agreement_report",
    "answer_shares",
    "consensus",
    "current_labels",
    "exact_hash",
    "gold_scores",
    "import_labels",
    "krippendorff_alpha",
    "label_from_dict",
    "read_jsonl",
    "read_labels",
    "repeats",
    "state_counts",
    "text_states",
    "text_uid",
    "write_blind_csv",
    "write_csv",
    "write_jsonl",
    "write_labels",
]
