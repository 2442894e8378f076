"""Calibration of one state of the knowledge base: asks it questions that it must not know, and what it can't know."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files

import numpy as np

from bot.asking import Asked, Judges
from kb.retriever import Retriever
from kb.spelling import Speller
from kb.types import FloatArray
from models.calibrate import Calibration, CalibrationConfig, fit_calibration
from models.off_topic import OffTopic
from models.ties import fit_sharpness

_BANK = "off_topic.txt"
_FEWEST_TOPICS = 5
_ITS_OWN = 0.8
"""Similarity from which on a question of the bank is one that the knowledge base has."""


def off_topic_bank() -> list[str]:
    """Return the questions that come with frontdesk and that hardly any organisation's history answers."""
    text = (files("models") / "data" / _BANK).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def parts_of_bank() -> tuple[list[str], list[str], list[str]]:
    """Return the bank in three parts: for a training to learn from, to calibrate on, and to measure on."""
    bank = off_topic_bank()
    return bank[::3], bank[1::3], bank[2::3]


def known_to_training() -> list[str]:
    """Return what of the bank a trained model is compared with: not what it was measured on."""
    learnt, calibrated, _ = parts_of_bank()
    return learnt + calibrated


def own_phrasings(judges: Judges, speller: Speller, config: CalibrationConfig) -> list[Asked]:
    """Return phrasings of a knowledge base as if customers had sent them, each with its own entry hidden."""
    retriever = judges.retriever
    phrasings = [at for at, entry in enumerate(retriever.entries) if entry.role == "phrasing"]
    if judges.probe_entries is not None and judges.probe is not None:
        fitted = set(judges.probe_entries.tolist())
        phrasings = [at for at in phrasings if at in fitted]
    order = np.random.default_rng(config.seed).permutation(len(phrasings))[: config.questions]
    chosen = sorted(phrasings[at] for at in order)
    return [
        Asked(question=question, vector=vector, rows=frozenset({retriever.entries[at].row}), hidden=(at,))
        for at, (question, vector) in zip(chosen, _mended(retriever, chosen, speller), strict=True)
    ]


def calibrate(
    judges: Judges,
    questions: Sequence[Asked],
    config: CalibrationConfig,
    progress: Callable[[int, int], None] | None = None,
    *,
    bank: Sequence[str] | None = None,
    floor: Calibration | None = None,
) -> Calibration:
    """Return the calibration of what judges; the default one where there are too few questions.

    Args:
        judges: of the state of the knowledge base.
        questions: that it answers, asked so that it doesn't know their texts; see `own_phrasings`.
        config: see `CalibrationConfig`.
        progress: called with the number of questions that were asked, and of all.
        bank: questions that are out of scope; by default those of `off_topic_bank`.
        floor: calibration of what serves now; no smaller share of what is out of scope is refused than it refused.
    """
    if len(questions) < config.fewest:
        return fit_calibration(in_scope=_empty(), is_right=_empty() > 0, near=_empty(), far=_empty(), config=config)
    bank = off_topic_bank() if bank is None else bank
    total = len(questions) + len(bank)
    in_scope, is_right, near, similar, ties = [], [], [], [], []
    hidden_with = _hidden_with(judges.retriever)
    for done, asked in enumerate(questions):
        found = judges.judged(asked.question, asked.vector, asked.hidden)
        in_scope.append(found.combined[0] if len(found.rows) else -np.inf)
        is_right.append(bool(len(found.rows)) and int(found.rows[0]) in asked.rows)
        hidden = sorted({*asked.hidden, *(entry for row in asked.rows for entry in hidden_with[row])})
        without = judges.judged(asked.question, asked.vector, hidden)
        near.append(without.combined[0] if len(without.rows) else -np.inf)
        similar.append(found.similarity)
        ties.append((found, [at for at, row in enumerate(found.rows) if int(row) in asked.rows]))
        if progress is not None and done % 50 == 0:
            progress(done, total)
    vectors = judges.retriever.encoder.encode(bank)
    strange = [judges.judged(question, vector) for question, vector in zip(bank, vectors, strict=True)]
    far = [each.combined.max(initial=-np.inf) for each in strange]
    if progress is not None:
        progress(total, total)
    known, is_near, is_far = np.isfinite(in_scope), np.isfinite(near), np.isfinite(far)
    fitted = fit_calibration(
        in_scope=_floats(in_scope)[known],
        is_right=np.array(is_right, dtype=bool)[known],
        near=_floats(near)[is_near],
        far=_floats(far)[is_far],
        config=config,
        floor=floor,
        off_topic=(
            _floats(similar)[known],
            _floats(similar)[is_near],
            _floats([each.similarity for each in strange])[is_far],
        ),
    )
    meant = [(fitted.probability(found.combined, found.similarity), at[0]) for found, at in ties if at]
    return replace(fitted, sharpness=fit_sharpness(meant)) if fitted.origin == "fitted" else fitted


def off_topic_of(retriever: Retriever, bank: Sequence[str], vectors: FloatArray) -> OffTopic:
    """Return the questions of a bank that are out of scope of a knowledge base: what it has itself is not."""
    kept = [
        at
        for at, vector in enumerate(vectors)
        if all(similarity < _ITS_OWN for _, similarity in retriever.neighbours(vector, 1))
    ]
    return OffTopic(vectors[kept], [bank[at] for at in kept])


def _floats(values: Sequence[float]) -> FloatArray:
    return np.array(values, dtype=np.float32)


def _mended(retriever: Retriever, asked: Sequence[int], speller: Speller) -> list[tuple[str, FloatArray]]:
    """Return text and vector of each entry as if a customer had sent it."""
    texts = [retriever.entries[at].text for at in asked]
    corrected = [speller.correct(text) for text in texts]
    found = list(zip(corrected, retriever.entry_vectors(np.asarray(asked, dtype=np.int64)), strict=True))
    changed = [at for at, (text, other) in enumerate(zip(texts, corrected, strict=True)) if text != other]
    for at, vector in zip(changed, retriever.encoder.encode([corrected[at] for at in changed]), strict=True):
        found[at] = (corrected[at], vector)
    return found


def _hidden_with(retriever: Retriever) -> list[list[int]]:
    """Return, for each pair, the entries to hide so that its questions are out of scope: its topic's, or its own."""
    topics = {pair.topic for pair in retriever.pairs}
    by_topic = len(topics) >= _FEWEST_TOPICS and "" not in topics
    groups: dict[str, list[int]] = defaultdict(list)
    for row, pair in enumerate(retriever.pairs):
        groups[pair.topic if by_topic else pair.pair_id].extend(retriever.entries_of_pair(row))
    return [groups[pair.topic if by_topic else pair.pair_id] for pair in retriever.pairs]


def _empty() -> FloatArray:
    return np.empty(0, dtype=np.float32)
