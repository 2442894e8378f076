"""Hard negatives: the rows that the retriever ranks highest for a question and that don't answer it.

What nobody labelled is not always wrong. A row that is nearly as similar as the right one is likely a right one too,
and is left out ("positive-aware" mining with a relative margin: de Souza et al. 2024, NV-Retriever), and so is one
whose answer is that of a right row. Arrays alone: a row is a pair's position, a question its place in the call.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kb.types import FloatArray
from models.training.grouping import normalised

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Nearest = Callable[[int], tuple[IntArray, FloatArray]]
"""question → (rows, their similarities), as many of the nearest as an index gives; rows below 0 are passed over."""

NONE = -1
"""In the result: there is no negative at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NegativesConfig:
    """Which negatives are mined."""

    count: int = 8
    """Negatives of each question."""
    random_share: float = 0.25
    """Share of them that is drawn at random, among all rows that don't answer the question."""
    false_negative_margin: float = 0.95
    """Rows more similar than this times the similarity of the right row are left out; `inf` leaves none out."""
    duplicate_similarity: float = 0.98
    """Rows whose answer has this cosine or more with a right row's answer are left out; above 1 none are."""
    skip: int = 0
    """Ranks of wrong rows that are passed over at the top."""
    seed: int = 0


def mine(
    similarities: FloatArray | Nearest,
    right: Sequence[Collection[int]],
    config: NegativesConfig,
    *,
    row_count: int | None = None,
    answers: FloatArray | None = None,
    answer_groups: IntArray | None = None,
) -> IntArray:
    """Return negatives (n, count) of each question: hard ones, hardest first, then random ones.

    Where there are fewer hard ones than wished, more random ones are taken; where there are fewer wrong rows than
    `count`, they come again in turn; where there is none, all are `NONE`. A question whose right rows have no
    similarity gets random ones only, and one without right rows any that are near.

    Args:
        similarities: (n, m), of each question with each row; or what gives the nearest rows of a question. A row whose
            similarity is not finite is never taken. Leave out the question's own text: a text that meets itself is
            its right row with similarity 1, which no margin holds anything against.
        right: the rows that answer each question (n).
        config: see `NegativesConfig`.
        row_count: m; needed where `similarities` is a function.
        answers: L2-normalised vectors (m, d) of the rows' answers, for `duplicate_similarity`.
        answer_groups: numbers (m,) that are equal where answers are, see `same_answers`.

    Raises:
        ValueError: the shapes don't fit together, or `row_count` is missing.
    """
    rows = _row_count(similarities, row_count, len(right))
    nearest = similarities if callable(similarities) else _of_matrix(similarities)
    rng = np.random.default_rng(config.seed)
    mined = np.full((len(right), config.count), NONE, dtype=np.int64)
    hard_count = config.count - round(config.random_share * config.count)
    # Questions of one pair share what must not be taken.
    same_of: dict[tuple[int, ...], BoolArray] = {}
    for question, of_question in enumerate(right):
        answering = tuple(sorted(of_question))
        if answering not in same_of:
            same_of[answering] = _same_answer(answering, rows, config, answers, answer_groups)
        near, similarity = nearest(question)
        there = near >= 0
        near, similarity = near[there], similarity[there]
        refused = same_of[answering].copy()
        refused[near[~np.isfinite(similarity)]] = True
        limit = _limit(similarity[np.isin(near, answering)], bool(answering), config.false_negative_margin)
        usable = ~refused[near] & (similarity <= limit)
        hard = _highest(near[usable], similarity[usable], config.skip + hard_count)[config.skip :]
        refused[hard] = True
        if limit > -np.inf:
            refused[near[similarity > limit]] = True
        found = np.concatenate([hard, _drawn(refused, config.count - len(hard), rng)])
        if len(found):
            mined[question] = np.resize(found, config.count)
    return mined


def same_answers(answers: Sequence[str]) -> IntArray:
    """Return numbers (m,) that are equal where the answers are after normalisation; empty ones are like no other."""
    numbers: dict[str, int] = {}
    keys = [normalised(answer) or f"\0{at}" for at, answer in enumerate(answers)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _of_matrix(similarities: FloatArray) -> Nearest:
    rows = np.arange(similarities.shape[1])
    return lambda question: (rows, similarities[question])


def _row_count(similarities: FloatArray | Nearest, row_count: int | None, questions: int) -> int:
    if callable(similarities):
        if row_count is None:
            raise ValueError("expected row_count beside a function; got none; give the number of rows")
        return row_count
    if similarities.ndim != 2 or len(similarities) != questions or row_count not in (None, similarities.shape[1]):
        expected = f"({questions}, {'m' if row_count is None else row_count})"
        raise ValueError(f"expected similarities {expected}; got {similarities.shape}; give one row a question")
    return int(similarities.shape[1])


def _same_answer(
    answering: tuple[int, ...],
    rows: int,
    config: NegativesConfig,
    answers: FloatArray | None,
    answer_groups: IntArray | None,
) -> BoolArray:
    """Return (m,) whether a row is right, or has nearly the answer of a right one."""
    same = np.zeros(rows, dtype=bool)
    if answering:
        places = np.array(answering)
        same[places] = True
        if answers is not None:
            same |= (answers @ answers[places].T).max(axis=1) >= config.duplicate_similarity
        if answer_groups is not None:
            same |= np.isin(answer_groups, answer_groups[places])
    return same


def _limit(right: FloatArray, is_answered: bool, margin: float) -> float:
    """Return the highest similarity of a hard negative: inf, margin × that of the best right row, or -inf if unknown.

    What comes near the best of several right rows may be right as well.
    """
    if not is_answered or margin == np.inf:
        return float(np.inf)
    known = right[np.isfinite(right)]
    if not len(known):
        return float(-np.inf)
    # A similarity below 0 has the limit as far below itself.
    best = float(known.max())
    return best - (1.0 - margin) * abs(best)


def _highest(rows: IntArray, similarity: FloatArray, count: int) -> IntArray:
    """Return the `count` most similar rows, the most similar first, the lower row first among equals."""
    if len(rows) > count > 0:
        least = np.partition(similarity, -count)[-count]
        rows, similarity = rows[similarity >= least], similarity[similarity >= least]
    return rows[np.lexsort((rows, -similarity))][:count]


def _drawn(refused: BoolArray, count: int, rng: np.random.Generator) -> IntArray:
    """Return up to `count` different rows that aren't refused, in random order."""
    # A few more than needed are enough nearly always, and spare a pass over all rows.
    draws = rng.integers(len(refused), size=4 * count + 16) if len(refused) else np.empty(0, dtype=np.int64)
    drawn = np.array(list(dict.fromkeys(draws[~refused[draws]].tolist())), dtype=np.int64)
    if len(drawn) < count:
        drawn = rng.permutation(np.flatnonzero(~refused))
    return drawn[:count]
