"""Calibration of one state of the knowledge base: asks it its own phrasings, hidden, and what it can't know."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files

import numpy as np

from kb.retriever import Retriever
from kb.spelling import Speller
from kb.types import FloatArray
from models.calibrate import Calibration, CalibrationConfig, fit_calibration
from models.probe import FittedProbe

Probed = tuple[FittedProbe, Mapping[int, int], float]
"""A probe, the position in it of each fitted entry, and the weight of its values."""

_BANK = "off_topic.txt"
_FEWEST_TOPICS = 5


def off_topic_bank() -> list[str]:
    """Return the questions that come with frontdesk and that hardly any organisation's history answers."""
    text = (files("models") / "data" / _BANK).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def calibrate(
    retriever: Retriever,
    speller: Speller,
    config: CalibrationConfig,
    progress: Callable[[int, int], None] | None = None,
    *,
    probed: Probed | None = None,
) -> Calibration:
    """Return the calibration of a retriever; the default one where there are too few phrasings.

    Args:
        retriever: of the state of the knowledge base.
        speller: mends slips as it will for customers.
        config: see `CalibrationConfig`.
        progress: called with the number of questions that were asked, and of all.
        probed: the probe whose values are added to the evidence.
    """
    phrasings = [at for at, entry in enumerate(retriever.entries) if entry.role == "phrasing"]
    if probed:
        phrasings = [at for at in phrasings if at in probed[1]]
    if len(phrasings) < config.fewest:
        return fit_calibration(in_scope=_empty(), is_right=_empty() > 0, near=_empty(), far=_empty(), config=config)
    order = np.random.default_rng(config.seed).permutation(len(phrasings))[: config.questions]
    asked = sorted(phrasings[at] for at in order)
    bank = off_topic_bank()
    total = len(asked) + len(bank)
    in_scope, is_right, near = [], [], []
    hidden_with = _hidden_with(retriever)
    mended = _mended(retriever, asked, speller)
    for done, (entry, (question, vector)) in enumerate(zip(asked, mended, strict=True)):
        row = retriever.entries[entry].row
        found = _combined(retriever, question, vector, entry, [entry], probed)
        in_scope.append(found.max())
        is_right.append(int(found.argmax()) == row)
        near.append(_combined(retriever, question, vector, entry, hidden_with[row], probed).max())
        if progress is not None and done % 50 == 0:
            progress(done, total)
    bank_vectors = retriever.encoder.encode(bank)
    far = []
    for question, vector in zip(bank, bank_vectors, strict=True):
        fused = retriever.evidence(question, vector).fused
        probed_values = np.float32(probed[2]) * probed[0].values(vector[None, :])[0] if probed else np.float32(0)
        far.append((fused + probed_values).max())
    if progress is not None:
        progress(total, total)
    finite = np.isfinite(near)
    return fit_calibration(
        in_scope=np.array(in_scope, dtype=np.float32),
        is_right=np.array(is_right, dtype=bool),
        near=np.array(near, dtype=np.float32)[finite],
        far=np.array(far, dtype=np.float32),
        config=config,
    )


def _combined(
    retriever: Retriever,
    question: str,
    vector: FloatArray,
    entry: int,
    hidden: Sequence[int],
    probed: Probed | None,
) -> FloatArray:
    """Return what speaks for each pair (n,) when an entry is asked and the hidden ones, it among them, are gone."""
    fused = retriever.evidence(question, vector, hidden=hidden).fused
    if probed is None:
        return fused
    probe, position, weight = probed
    group = [position[each] for each in hidden if each in position]
    return fused + np.float32(weight) * probe.without(position[entry], group)


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
