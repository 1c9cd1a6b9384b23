"""The main job as plain Python on built objects: train and refine, synthesize, verify, keep runs."""

from vos.pipeline.generation import Making, verify_made
from vos.pipeline.job import FitSettings, RefineSettings, TrainingJob
from vos.pipeline.outlier_texts import OutlierTextFile, WrittenOutlierTexts, gather_outlier_texts
from vos.pipeline.remaking import verify
from vos.pipeline.round_cache import RoundCache
from vos.pipeline.run_directory import RunDirectory
from vos.pipeline.synthesis import SynthesisResult, synthesize
from vos.pipeline.synthesis_job import SynthesisJob, SynthesisSettings
from vos.pipeline.training import TrainingResult, refine, save_results
from vos.pipeline.verification import Material, Mismatch, Verification, VerificationSettings

__all__ = [
    "FitSettings",
    "Making",
    "Material",
    "Mismatch",
    "OutlierTextFile",
    "RefineSettings",
    "RoundCache",
    "RunDirectory",
    "SynthesisJob",
    "SynthesisResult",
    "SynthesisSettings",
    "TrainingJob",
    "TrainingResult",
    "Verification",
    "VerificationSettings",
    "WrittenOutlierTexts",
    "gather_outlier_texts",
    "refine",
    "save_results",
    "synthesize",
    "verify",
    "verify_made",
]
