"""Retrieved → relevance of each candidate in 0..1.

What speaks for a candidate is its evidence, what the probe says of it and, once one is trained, what the matcher says:

    prior    = evidence + probe weight · value of the probe
    combined = prior + matcher weight · log softmax(logits of those that can still win)

and the relevance is the calibrated probability that the best one is right, given also how near the question is to what
is out of scope.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kb.types import Candidate, FloatArray, Retrieved
from models.calibrate import Calibration
from models.off_topic import OffTopic
from models.probe import Probe

IntArray = NDArray[np.int64]

MAX_LENGTH = "frontdesk_max_length"
"""Key in a matcher's `config.json`: tokens of question and candidate that it was trained to read."""


class Matcher(Protocol):
    """Judges how well each candidate answers a question."""

    def relevance(self, retrieved: Retrieved) -> FloatArray:
        """Return the relevance of each candidate (n,), in 0..1."""


class CrossEncoder(Protocol):
    """Reads a question and a candidate's text together."""

    def logits(self, question: str, texts: Sequence[str]) -> FloatArray:
        """Return one logit per text (n,): comparable within one question only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchSettings:
    """How a trained matcher is used; chosen on validation questions, and kept in its checkpoint."""

    weight: float = 0.0
    """Of the matcher's log share beside the evidence; with 0 it is not asked."""
    margin: float = 0.3
    """Candidates whose prior lies further below the best one can't win, and are not read."""
    most: int = 8
    """Candidates that are read, at most."""
    phrasings: int = 2
    """Other ways of asking that are read of a candidate."""
    passages: int = 2
    """Passages of the answer that are read of a candidate."""


class EvidenceMatcher:
    """Relevance from evidence, probe and, where one is given, a trained cross-encoder."""

    def __init__(
        self,
        calibration: Calibration,
        probe: Probe | None = None,
        row: Mapping[str, int] | None = None,
        weight: float = 0,
        *,
        cross_encoder: CrossEncoder | None = None,
        settings: MatchSettings | None = None,
        off_topic: OffTopic | None = None,
    ) -> None:
        """Take what was fitted on the same snapshot.

        Args:
            calibration: of the combined value of the best candidate.
            probe: None for a knowledge base that has too few phrasings, or too many pairs.
            row: of each pair id in the probe's values.
            weight: of the probe's values.
            cross_encoder: the trained matcher, or None.
            settings: how it is used.
            off_topic: questions that are out of scope, where the calibration knows of them.
        """
        self._off_topic = off_topic
        self._calibration = calibration
        self._probe = probe
        self._row = dict(row or {})
        self._weight = np.float32(weight)
        self._settings = settings or MatchSettings()
        self._cross_encoder = cross_encoder if self._settings.weight else None

    def relevance(self, retrieved: Retrieved) -> FloatArray:
        """Return the relevance of each candidate (n,), in 0..1."""
        values = None
        if self._probe is not None and retrieved.candidates:
            rows = [self._row[candidate.pair.pair_id] for candidate in retrieved.candidates]
            values = self._weight * self._probe.values(retrieved.question_vector[None, :])[0][rows]
        similarity = self._off_topic.similarity(retrieved.question_vector) if self._off_topic else 0.0
        return self._calibration.probability(
            combined(retrieved, prior_of(retrieved, values), self._cross_encoder, self._settings), similarity
        )


def prior_of(retrieved: Retrieved, probe_values: FloatArray | None) -> FloatArray:
    """Return evidence and weighted probe values (n,) as one number per candidate."""
    evidence = np.array([candidate.evidence for candidate in retrieved.candidates], dtype=np.float32)
    return evidence if probe_values is None else np.asarray(evidence + probe_values, dtype=np.float32)


def combined(
    retrieved: Retrieved, prior: FloatArray, cross_encoder: CrossEncoder | None, settings: MatchSettings
) -> FloatArray:
    """Return prior and matcher as one number per candidate (n,).

    The cross-encoder reads only those that can still win; the others stay below them.
    """
    if cross_encoder is None or not settings.weight or not len(prior):
        return prior
    kept = contenders(prior, settings)
    if len(kept) == 1:
        return prior
    texts = [candidate_text(retrieved.candidates[at], settings) for at in kept]
    return add_logits(prior, kept, cross_encoder.logits(retrieved.question, texts), settings)


def contenders(prior: FloatArray, settings: MatchSettings) -> IntArray:
    """Return the positions of the candidates that can still win, best first."""
    order = np.argsort(-prior, kind="stable")[: settings.most]
    return np.asarray(order[prior[order] >= prior[order[0]] - settings.margin], dtype=np.int64)


def add_logits(prior: FloatArray, kept: IntArray, logits: FloatArray, settings: MatchSettings) -> FloatArray:
    """Return the prior (n,) with the log share of the kept candidates' logits added; the others get the lowest."""
    share = logits - logits.max()
    share = share - np.log(np.exp(share).sum())
    added = np.full(len(prior), share.min(), dtype=np.float32)
    added[kept] = share
    return np.asarray(prior + np.float32(settings.weight) * added, dtype=np.float32)


def candidate_text(candidate: Candidate, settings: MatchSettings) -> str:
    """Return what the matcher reads of a candidate: its question, the nearest phrasings and passages."""
    asked = " / ".join((candidate.pair.question, *candidate.phrasings[: settings.phrasings]))
    passages = candidate.passages[: settings.passages]
    return f"{asked}: {' … '.join(passages)}" if passages else asked
