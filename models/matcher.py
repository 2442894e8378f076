"""Retrieved → relevance of each candidate in 0..1."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from kb.types import ZERO_SHOT, FloatArray, Retrieved
from models.calibrate import Calibration
from models.probe import Probe


class Matcher(Protocol):
    """Judges how well each candidate answers a question."""

    @property
    def checkpoint(self) -> str:
        """Id of what was trained; `zero-shot` for nothing."""

    def relevance(self, retrieved: Retrieved) -> FloatArray:
        """Return the relevance of each candidate (n,), in 0..1."""


class ZeroShotMatcher:
    """Relevance until a matcher is trained: evidence and probe, as the calibrated probability of being right."""

    checkpoint = ZERO_SHOT

    def __init__(
        self,
        calibration: Calibration,
        probe: Probe | None = None,
        row: Mapping[str, int] | None = None,
        weight: float = 0,
    ) -> None:
        """Take what was fitted on the same snapshot.

        Args:
            calibration: of evidence + weight · value of the probe.
            probe: None for a knowledge base that has too few phrasings, or too many pairs.
            row: of each pair id in the probe's values.
            weight: of the probe's values.
        """
        self._calibration = calibration
        self._probe = probe
        self._row = dict(row or {})
        self._weight = np.float32(weight)

    def relevance(self, retrieved: Retrieved) -> FloatArray:
        """Return the relevance of each candidate (n,), in 0..1."""
        evidence = np.array([candidate.evidence for candidate in retrieved.candidates], dtype=np.float32)
        if self._probe is not None and len(evidence):
            values = self._probe.values(retrieved.question_vector[None, :])[0]
            rows = [self._row[candidate.pair.pair_id] for candidate in retrieved.candidates]
            evidence = evidence + self._weight * values[rows]
        return self._calibration.probability(evidence)
