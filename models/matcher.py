"""(question, candidates) → relevance in 0..1."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from kb.types import Candidate, FloatArray
from models.calibrate import Calibration


class Matcher(Protocol):
    """Judges how well each candidate answers a question."""

    @property
    def checkpoint(self) -> str:
        """Id of what was trained; `zero-shot` for nothing."""

    def relevance(self, question: str, candidates: Sequence[Candidate]) -> FloatArray:
        """Return the relevance of each candidate (n,), in 0..1."""


class ZeroShotMatcher:
    """Relevance until a matcher is trained: the retriever's evidence, as the calibrated probability of being right."""

    checkpoint = "zero-shot"

    def __init__(self, calibration: Calibration) -> None:
        """Take the calibration that was fitted on the same snapshot."""
        self._calibration = calibration

    def relevance(self, question: str, candidates: Sequence[Candidate]) -> FloatArray:
        """Return the relevance of each candidate (n,), in 0..1; the question itself adds nothing to the evidence."""
        evidence = np.array([candidate.evidence for candidate in candidates], dtype=np.float32)
        return self._calibration.probability(evidence)
