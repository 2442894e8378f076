"""Questions asked of a knowledge base that must not know them: with their own entries hidden, through all that judges.

Calibration, training and what is measured in training ask this way; customers ask `ChatBot`, which gives the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kb.retriever import Evidence, Retriever
from kb.types import FloatArray
from models.calibrate import Calibration
from models.matcher import CrossEncoder, MatchSettings, add_logits, candidate_text, contenders
from models.off_topic import OffTopic
from models.probe import FittedProbe

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A question with its vector (d,), the rows of the pairs that answer it, and entries that must not count."""

    question: str
    vector: FloatArray
    rows: frozenset[int]
    hidden: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What was found for a question: rows of pairs, best first, and what speaks for each (n,)."""

    rows: IntArray
    combined: FloatArray
    similarity: float = 0.0
    """To the nearest question that is out of scope."""

    def confidence(self, calibration: Calibration) -> float:
        """Return the probability that the best row is right; 0 where none was found."""
        return float(calibration.probability(self.combined[:1], self.similarity)[0]) if len(self.rows) else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """What the matcher may read for a question: rows by their prior, best first, and the text of each."""

    rows: IntArray
    prior: FloatArray
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Judges:
    """A retriever, and the probe and matcher beside it."""

    retriever: Retriever
    probe: FittedProbe | None = None
    probe_entries: IntArray | None = None
    """Positions of the entries that the probe was fitted on."""
    probe_weight: float = 0.0
    cross_encoder: CrossEncoder | None = None
    settings: MatchSettings | None = None
    off_topic: OffTopic | None = None

    def judged(self, question: str, vector: FloatArray, hidden: Sequence[int] = ()) -> Judged:
        """Return the candidates of a question, without what is hidden, and without itself where it is off-topic."""
        evidence, rows, prior = self._prior(question, vector, hidden)
        settings = self.settings
        if self.cross_encoder is not None and settings is not None and settings.weight and len(rows):
            kept = contenders(prior, settings)
            if len(kept) > 1:
                texts = [self._text(int(rows[at]), evidence, settings, hidden) for at in kept]
                prior = add_logits(prior, kept, self.cross_encoder.logits(question, texts), settings)
        order = np.argsort(-prior, kind="stable")
        similarity = self.off_topic.similarity(vector, question) if self.off_topic else 0.0
        return Judged(rows=rows[order], combined=prior[order], similarity=similarity)

    def read(self, asked: Asked, settings: MatchSettings, count: int) -> Read:
        """Return what the matcher would read of the best so many candidates."""
        evidence, rows, prior = self._prior(asked.question, asked.vector, asked.hidden)
        order = np.argsort(-prior, kind="stable")[:count]
        texts = tuple(self._text(int(row), evidence, settings, asked.hidden) for row in rows[order])
        return Read(rows=rows[order], prior=prior[order], texts=texts)

    def text_of(self, asked: Asked, row: int, settings: MatchSettings) -> str:
        """Return what the matcher would read of one pair."""
        evidence = self.retriever.evidence(asked.question, asked.vector, asked.hidden)
        return self._text(row, evidence, settings, asked.hidden)

    def tops(self, question: str, vector: FloatArray, hidden: Sequence[int] = ()) -> tuple[int, ...]:
        """Return the row that each judge puts first on its own: embeddings, and the probe where there is one."""
        evidence = self.retriever.evidence(question, vector, hidden)
        nearest = self.retriever.entries[int(evidence.similarities.argmax())].row
        values = self._probed(vector, hidden)
        return (nearest,) if values is None else (nearest, int(values.argmax()))

    def _prior(self, question: str, vector: FloatArray, hidden: Sequence[int]) -> tuple[Evidence, IntArray, FloatArray]:
        evidence = self.retriever.evidence(question, vector, hidden)
        rows = np.argsort(-evidence.fused, kind="stable")[: self.retriever.config.top_k]
        rows = rows[np.isfinite(evidence.fused[rows])]
        prior = evidence.fused[rows]
        values = self._probed(vector, hidden)
        if values is not None:
            prior = prior + np.float32(self.probe_weight) * values[rows]
        return evidence, rows, np.asarray(prior, dtype=np.float32)

    def _probed(self, vector: FloatArray, hidden: Sequence[int]) -> FloatArray | None:
        """Return what the probe says of every pair (n,), or None where there is none."""
        if self.probe is None or self.probe_entries is None:
            return None
        group = np.flatnonzero(np.isin(self.probe_entries, np.asarray(hidden, dtype=np.int64)))
        values: FloatArray = self.probe.without(vector[None, :], group.tolist())[0]
        return values

    def _text(self, row: int, evidence: Evidence, settings: MatchSettings, hidden: Sequence[int]) -> str:
        candidate = self.retriever.candidate(row, evidence)
        # A pair's first entry is its own question. Where that is hidden, the matcher must not read it either, as long
        # as there is another text to know the pair by.
        if self.retriever.entries_of_pair(row)[0] in hidden and (candidate.phrasings or candidate.passages):
            first, *others = candidate.phrasings or ("",)
            pair = replace(candidate.pair, question=first)
            candidate = replace(candidate, pair=pair, phrasings=tuple(others))
        return candidate_text(candidate, settings)
