"""Validation questions through what judges: how the matcher is best used, and figures for a checkpoint's card."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bot.asking import Asked, Judges, Read
from models.calibrate import Calibration
from models.evaluate.refusal import auroc
from models.evaluate.reliability import reliability
from models.evaluate.risk_coverage import risk_coverage
from models.matcher import MatchSettings, add_logits, contenders
from models.training.matcher import Judge

WEIGHTS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Weights of the matcher that are tried."""
MARGINS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
"""Margins of the cascade that are tried."""
CASCADE_LOSS = 0.002
"""P@1 that the cascade may cost on validation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """How a matcher is used, and what that gives: P@1 with it, and the mean number of candidates it reads."""

    settings: MatchSettings
    precision: float
    reads: float


def chosen_settings(reads: Sequence[tuple[Asked, Read]], judge: Judge, reading: MatchSettings) -> Chosen:
    """Return the weight that is best on validation questions, and the narrowest margin that loses next to nothing.

    Of weights that are as good, the smallest is taken; 0 leaves the matcher out.

    Args:
        reads: validation questions with what the matcher may read of each.
        judge: the matcher.
        reading: what is read of a candidate.
    """
    logits = judge([(asked.question, text) for asked, read in reads for text in read.texts])
    ends = np.cumsum([len(read.texts) for _, read in reads])
    each = np.split(logits, ends[:-1])
    wide = replace(reading, margin=np.inf)
    found = {weight: _precision(reads, each, replace(wide, weight=weight)) for weight in WEIGHTS}
    weight = max(found, key=lambda weight: (found[weight], -weight))
    best = found[weight]
    if weight == 0:
        return Chosen(settings=replace(reading, weight=0.0), precision=best, reads=0.0)
    for margin in MARGINS:
        settings = replace(reading, weight=weight, margin=margin)
        precision = _precision(reads, each, settings)
        if precision >= best - CASCADE_LOSS or margin == MARGINS[-1]:
            count = float(np.mean([_count(read, settings) for _, read in reads]))
            return Chosen(settings=settings, precision=precision, reads=count)
    raise AssertionError("the widest margin is always taken")


def measured(
    judges: Judges, asked: Sequence[Asked], off_topic: Sequence[str], calibration: Calibration
) -> dict[str, float]:
    """Return P@1, MRR, hit@20 of questions, how true confidence is, and how well what is off-topic is told apart."""
    ranks, confidence = [], []
    for each in asked:
        found = judges.judged(each.question, each.vector, each.hidden)
        at = np.flatnonzero(np.isin(found.rows, sorted(each.rows)))
        ranks.append(int(at[0]) + 1 if len(at) else 0)
        confidence.append(found.confidence(calibration))
    vectors = judges.retriever.encoder.encode(off_topic)
    refused = [
        judges.judged(question, vector).confidence(calibration)
        for question, vector in zip(off_topic, vectors, strict=True)
    ]
    sure, unsure = np.array(confidence), np.array(refused)
    is_known = np.concatenate([np.ones(len(sure), dtype=bool), np.zeros(len(unsure), dtype=bool)])
    rank = np.array(ranks)
    return {
        "questions": float(len(asked)),
        "p_at_1": float((rank == 1).mean()),
        "mrr": float(np.where(rank > 0, 1 / np.maximum(rank, 1), 0).mean()),
        "hit_at_20": float((rank > 0).mean()),
        "answered": float((sure >= calibration.threshold).mean()),
        "off_topic_refused": float((unsure < calibration.threshold).mean()),
        "auroc": auroc(np.concatenate([sure, unsure]), is_known),
        "ece": reliability(sure, rank == 1).ece,
        "brier": float(np.mean((sure - (rank == 1)) ** 2)),
        "aurc": risk_coverage(sure, rank == 1).aurc,
    }


def _precision(reads: Sequence[tuple[Asked, Read]], logits: Sequence[np.ndarray], settings: MatchSettings) -> float:
    right = []
    for (asked, read), each in zip(reads, logits, strict=True):
        if not len(read.rows):
            right.append(False)
            continue
        kept = contenders(read.prior, settings)
        final = read.prior
        if settings.weight and len(kept) > 1:
            final = add_logits(read.prior, kept, each[kept], settings)
        right.append(int(read.rows[int(final.argmax())]) in asked.rows)
    return float(np.mean(right))


def _count(read: Read, settings: MatchSettings) -> int:
    kept = len(contenders(read.prior, settings)) if len(read.prior) else 0
    return kept if kept > 1 else 0
