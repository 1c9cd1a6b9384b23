"""The main job as plain Python on built objects: train and refine, synthesize, keep runs."""

from vos.pipeline.generation import Making, verify_made
from vos.pipeline.job import FitSettings, RefineSettings, TrainingJob
from vos.pipeline.round_cache import RoundCache
from vos.pipeline.run_directory import RunDirectory
from vos.pipeline.synthesis import SynthesisJob, SynthesisResult, SynthesisSettings, synthesize
from vos.pipeline.training import TrainingResult, refine, save_results

__all__ = [
    "FitSettings",
    "Making",
    "RefineSettings",
    "RoundCache",
    "RunDirectory",
    "SynthesisJob",
    "SynthesisResult",
    "SynthesisSettings",
    "TrainingJob",
    "TrainingResult",
    "refine",
    "save_results",
    "synthesize",
    "verify_made",
]
