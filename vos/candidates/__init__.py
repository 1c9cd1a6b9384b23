"""From virtual outliers to texts: the potential, retrieval from a pool, made texts, constraints and selection."""

from vos.candidates.constraints import NearDuplicateFilter
from vos.candidates.drafts import DraftSettings
from vos.candidates.edits import Edit, EditSettings, add_edits, edit_texts
from vos.candidates.generation import make_texts, real_texts
from vos.candidates.generation_report import generation_report, mismatches
from vos.candidates.index import ApproximateSettings, check_index
from vos.candidates.indexed import retrieve_indexed
from vos.candidates.language_model import LanguageModel
from vos.candidates.outlier_texts import OutlierText, WritingSettings, far_from_training, write_outlier_texts
from vos.candidates.particles import Sampling
from vos.candidates.pool_features import PoolFeatures
from vos.candidates.potential import Shape
from vos.candidates.prompts import PromptSettings
from vos.candidates.reach import Outcome
from vos.candidates.retrieval import Candidate, Evidence, Retrieval, retrieve
from vos.candidates.selection import Selection, SelectionSettings, select
from vos.candidates.session import Kit
from vos.candidates.settings import GenerationSettings, Stages
from vos.candidates.steering import SteeringSettings
from vos.candidates.target import Potential, Targets, TargetSpace
from vos.candidates.text_rules import TextRules

__all__ = [
    "ApproximateSettings",
    "Candidate",
    "DraftSettings",
    "Edit",
    "EditSettings",
    "Evidence",
    "GenerationSettings",
    "Kit",
    "LanguageModel",
    "NearDuplicateFilter",
    "Outcome",
    "OutlierText",
    "PoolFeatures",
    "Potential",
    "PromptSettings",
    "Retrieval",
    "Sampling",
    "Selection",
    "SelectionSettings",
    "Shape",
    "Stages",
    "SteeringSettings",
    "TargetSpace",
    "Targets",
    "TextRules",
    "WritingSettings",
    "add_edits",
    "check_index",
    "edit_texts",
    "far_from_training",
    "generation_report",
    "make_texts",
    "mismatches",
    "real_texts",
    "retrieve",
    "retrieve_indexed",
    "select",
    "write_outlier_texts",
]
