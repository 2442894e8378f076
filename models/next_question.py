"""What is asked next: the pairs of a conversation so far, and its words → a probability for each pair.

A mixture of four, whose weights are fitted by EM on conversations that the parts were not fitted on (Jelinek & Mercer
1980):

- `popular`: how often a pair is asked after any other;
- `followed`: what was asked after the last one and two pairs, with Witten-Bell backing off (Witten & Bell 1991);
- `similar`: what was asked after pairs like the last one, so that a pair that nobody asked before has followers too;
- `words`: softmax regression on the last pairs and the vectors of what was said, where there are turns enough.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_softmax

from kb.types import FloatArray

FloatMatrix = NDArray[np.float64]
PARTS = ("popular", "followed", "similar", "words")
_LONGEST = 6
"""Turns that are told apart by how many there were."""
_SPREAD = 0.18
"""Of a coordinate of a vector, beside what is 0 or 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NextQuestionConfig:
    """What the model depends on."""

    temperature: float = 0.05
    """Of the softmax of cosines by which a pair is like others."""
    alike: float = 0.6
    """Cosine at which a pair is as much like another one as like none: then what is popular follows it."""
    fewest_turns: int = 1_000
    """With fewer turns words are not learned from: there would be more weights than turns."""
    recent: float = 0.5
    """Weight of each turn beside the one after it, in the vector of what was said before the last turn."""
    penalty: float = 1e-4
    """On the squared weights of the regression."""
    folds: int = 3
    """Of the conversations, each told by parts fitted on the others, for the weights of the mixture."""
    seed: int = 0
    """Of the folds."""


class Vectors(Protocol):
    """Vectors of pairs by their rows: an array (n, d), or what looks them up."""

    def __len__(self) -> int:
        """Return the number of pairs."""

    def __getitem__(self, rows: list[int]) -> FloatArray:
        """Return the unit vectors of rows (m, d)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A turn of a customer: the rows of the pairs that it asked, the first one counting most, and its vector (d,)."""

    rows: tuple[int, ...]
    vector: FloatArray | None = None


@dataclass(frozen=True, kw_only=True)
class NextQuestion:
    """A fitted model; `fit_next` makes it."""

    weights: FloatMatrix
    """Of the parts, in the order of `PARTS` (4,); they sum to 1."""
    parts: "_Parts" = field(repr=False)

    def probabilities(self, steps: Sequence[Step]) -> FloatMatrix:
        """Return the probability of each pair to be asked next (n,), after these turns, oldest first."""
        return np.asarray(self.weights @ self.parts.of(steps), dtype=np.float64)


def fit_next(
    conversations: Sequence[Sequence[Step]], vectors: Vectors, config: NextQuestionConfig | None = None
) -> NextQuestion:
    """Return a model of conversations.

    Args:
        conversations: turns of customers, oldest first.
        vectors: of the questions of all pairs.
        config: see `NextQuestionConfig`.

    Raises:
        ValueError: there are no pairs.
    """
    settings = config or NextQuestionConfig()
    if not len(vectors):
        raise ValueError("expected vectors of one pair or more; got none")
    known = [each for each in conversations if len(each) > 1]
    fold = np.random.default_rng(settings.seed).permutation(len(known)) % settings.folds
    told: list[FloatMatrix] = []
    for each in range(settings.folds if len(known) >= settings.folds else 0):
        parts = _Parts([known[at] for at in np.flatnonzero(fold != each)], vectors, settings)
        for at in np.flatnonzero(fold == each):
            told += [_of_target(parts, known[at], to) for to in range(1, len(known[at]))]
    weights = _mixture(np.array(told)) if told else np.array([0.5, 0.5, 0.0, 0.0])
    return NextQuestion(weights=weights, parts=_Parts(known, vectors, settings))


def _of_target(parts: "_Parts", conversation: Sequence[Step], to: int) -> FloatMatrix:
    """Return what each part gives to what was asked at a turn (4,)."""
    return np.asarray(parts.of(conversation[:to])[:, list(conversation[to].rows)].max(axis=1), dtype=np.float64)


def _mixture(likelihoods: FloatMatrix, rounds: int = 200) -> FloatMatrix:
    """Return the weights of a mixture under which what happened is most likely (4,), by EM from likelihoods (t, 4)."""
    weights = np.full(likelihoods.shape[1], 1 / likelihoods.shape[1])
    for _ in range(rounds):
        share = likelihoods * weights
        weights = (share / share.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(weights, dtype=np.float64)


class _Parts:
    """The parts of the mixture, fitted on conversations."""

    def __init__(self, conversations: Sequence[Sequence[Step]], vectors: Vectors, config: NextQuestionConfig) -> None:
        self._config, self._count = config, len(vectors)
        asked: Counter[int] = Counter()
        self._after: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for conversation in conversations:
            for at, step in enumerate(conversation):
                for row in _known(step.rows, self._count) if at else ():
                    asked[row] += 1
                    before = [each.rows[0] for each in conversation[max(0, at - 2) : at]]
                    self._after[tuple(before[-1:])][row] += 1
                    if len(before) == 2:
                        self._after[tuple(before)][row] += 1
        counts = np.array([asked.get(row, 0) for row in range(self._count)], dtype=np.float64) + 1 / self._count
        self._popular: FloatMatrix = np.asarray(counts / counts.sum(), dtype=np.float64)
        self._vectors = vectors
        self._leading = sorted({before[0] for before in self._after if len(before) == 1 and before[0] < self._count})
        self._leading_vectors = vectors[self._leading] if self._leading else None
        self._regression = _regression(conversations, self._count, config)

    def of(self, steps: Sequence[Step]) -> FloatMatrix:
        """Return the probabilities of all pairs by each part (4, n)."""
        if not steps:
            return np.tile(self._popular, (len(PARTS), 1))
        before = tuple(step.rows[0] for step in steps[-2:])
        first = self._backed_off(before[-1:], self._popular)
        followed = self._backed_off(before, first) if len(before) == 2 else first
        words = self._regression.of(steps) if self._regression else followed
        return np.stack([self._popular, followed, self._similar(before[-1]), words])

    def first_order(self, row: int) -> FloatMatrix:
        """Return what was asked after a pair, whatever came before it (n,)."""
        return self._backed_off((row,), self._popular)

    def _backed_off(self, before: tuple[int, ...], lower: FloatMatrix) -> FloatMatrix:
        """Return P(next | before) with as much of the lower order as there were different followers."""
        seen = self._after.get(before)
        if not seen:
            return lower
        total, kinds = sum(seen.values()), len(seen)
        found = kinds * lower
        for row, count in seen.items():
            found[row] += count
        return np.asarray(found / (total + kinds), dtype=np.float64)

    def _similar(self, row: int) -> FloatMatrix:
        """Return what followed pairs like this one, the more alike the more."""
        if self._leading_vectors is None or row >= self._count:
            return self._popular
        logit = (self._leading_vectors @ self._vectors[[row]][0]).astype(np.float64) / self._config.temperature
        logit = np.append(logit, self._config.alike / self._config.temperature)
        weight = np.exp(logit - logit.max())
        weight /= weight.sum()
        found = weight[-1] * self._popular
        for share, each in zip(weight[:-1], self._leading, strict=True):
            if share > 1e-4:
                found += share * self._backed_off((each,), self._popular)
        return np.asarray(found / found.sum(), dtype=np.float64)


class _Regression:
    """Softmax regression on the last pairs and on the vectors of what was said."""

    def __init__(self, weights: FloatMatrix, count: int, recent: float) -> None:
        self._weights, self._count, self._recent = weights, count, recent

    def of(self, steps: Sequence[Step]) -> FloatMatrix:
        logits = _features(steps, self._count, self._recent) @ self._weights
        return np.asarray(np.exp(log_softmax(np.asarray(logits).ravel())), dtype=np.float64)


def _regression(conversations: Sequence[Sequence[Step]], count: int, config: NextQuestionConfig) -> _Regression | None:
    """Return the regression of what was asked next, or None where there are too few turns, or no vectors."""
    turns = [(each[:to], each[to]) for each in conversations for to in range(1, len(each))]
    if len(turns) < config.fewest_turns or any(step.vector is None for before, _ in turns for step in before):
        return None
    features = sparse.vstack([_features(before, count, config.recent) for before, _ in turns]).tocsr()
    target = np.zeros((len(turns), count))
    for at, (_, step) in enumerate(turns):
        target[at, list(step.rows)] = 1 / len(step.rows)
    shape = (features.shape[1], count)

    def objective(flat: FloatMatrix) -> tuple[float, FloatMatrix]:
        weights = flat.reshape(shape)
        log_share = log_softmax(features @ weights, axis=1)
        loss = -float((target * log_share).sum()) / len(turns) + config.penalty * float(flat @ flat) / 2
        gradient = features.T @ (np.exp(log_share) - target) / len(turns) + config.penalty * weights
        return loss, np.asarray(gradient).ravel()

    found = minimize(objective, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 150})
    return _Regression(found.x.reshape(shape), count, config.recent)


def _features(steps: Sequence[Step], count: int, recent: float) -> sparse.csr_matrix:
    """Return one row: which pair was last, the one before, which ones before at all, how far it is, and the words."""
    asked = np.zeros((3, count))
    for place, step in enumerate(reversed(steps[-2:])):
        asked[place, _known(step.rows[:1], count)] = 1.0
    for step in steps:
        asked[2, _known(step.rows, count)] = 1.0
    far = np.zeros(_LONGEST)
    far[min(len(steps), _LONGEST) - 1] = 1.0
    vectors = [np.asarray(step.vector, dtype=np.float64) for step in steps]
    earlier = np.zeros_like(vectors[-1])
    for vector in vectors[:-1]:
        earlier = recent * earlier + (1 - recent) * vector
    said = np.concatenate([vectors[-1], earlier])
    # Vectors spread a length of 1 over all coordinates: in this scale one weighs like being some pair or not.
    return sparse.csr_matrix(np.concatenate([asked.ravel(), far, _SPREAD * np.sqrt(len(said)) * said, [1.0]])[None, :])


def _known(rows: Sequence[int], count: int) -> list[int]:
    """Return the rows of pairs that there are: a customer may have asked what has left the knowledge base."""
    return [row for row in rows if 0 <= row < count]
