"""Which suggestions are clicked: what was asked, what is suggested, and where it stands → the probability of a click.

Position-based model (Craswell et al. 2008): a suggestion at rank r is looked at with probability θ_r, θ_1 = 1, and
clicked where it attracts. Attraction is a logistic regression on

- position-corrected click rates, smoothed towards each other: of the pair, of the pair after what was answered, of its
  topic, and of its topic after that topic;
- the cosine of both questions and, where there are impressions enough, their vectors: what attracts in pairs that were
  shown often is known of those that were not;
- what a BERT with a classification head says of both texts, where one was trained (`models.training.clicks`).

θ and the regression are fitted together by EM (Wang et al. 2018, regression-based EM), and the scale of the logits on
impressions that they were not fitted on. With few impressions only the rates count, with none there is no model.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from kb.types import FloatArray

FloatVector = NDArray[np.float64]
Texts = Callable[[Sequence[tuple[str, str]]], FloatArray]
"""(pair that was answered, pair that is suggested) → logits (n,) of a text model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClickConfig:
    """What the click model depends on."""

    fewest_impressions: int = 500
    """With fewer, only position-corrected rates count."""
    vectors_from: int = 2_000
    """Impressions from which on the vectors of questions are learned from."""
    prior: float = 8.0
    """Looks that a rate is smoothed with, towards the rate that it is a special case of."""
    penalty: float = 3.0
    """On the squared weights of the regression."""
    rounds: int = 12
    """Of EM, at most."""
    folds: int = 3
    """Of the conversations, each told by a fit on the others, for the scale."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A suggestion that was shown: after which pair, which one, at which rank from 1, and whether it was clicked."""

    conversation: str
    after: str
    pair_id: str
    rank: int
    clicked: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """Unit vectors of questions by pair id (d,), and topics; pairs that are unknown have neither."""

    vectors: Mapping[str, FloatArray]
    topics: Mapping[str, str]
    dimension: int

    def vector(self, pair_id: str) -> FloatArray:
        """Return the vector of a pair, zeros where it is unknown."""
        found = self.vectors.get(pair_id)
        return np.zeros(self.dimension, dtype=np.float32) if found is None else found


@dataclass(frozen=True, kw_only=True)
class ClickModel:
    """A fitted model; `fit_clicks` makes it."""

    examination: FloatVector
    """θ by rank (r,), 1 at the first."""
    rates: "Rates"
    weights: FloatVector
    """Of the features; empty where only rates count."""
    scale: tuple[float, float] = (1.0, 0.0)
    catalogue: Catalogue = field(repr=False)
    with_vectors: bool = False
    texts: Texts | None = field(default=None, repr=False)

    def attraction(self, after: Sequence[str], pair_ids: Sequence[str]) -> FloatVector:
        """Return the probability that each suggestion (n,) is clicked where it is looked at."""
        if not len(self.weights):
            return np.asarray(self.rates.of(after, pair_ids)[1], dtype=np.float64)
        logits = self._features(after, pair_ids) @ self.weights
        return np.asarray(expit(self.scale[0] * logits + self.scale[1]), dtype=np.float64)

    def probability(self, asked: Sequence[str], pair_ids: Sequence[str]) -> FloatArray:
        """Return the same after a conversation, whose pairs are given oldest first: what ranks suggestions."""
        last = asked[-1] if asked else ""
        return self.attraction([last] * len(pair_ids), pair_ids).astype(np.float32)

    def click_probability(self, shown: Sequence[Shown]) -> FloatVector:
        """Return the probability that each impression (n,) was clicked, at its rank."""
        rank = np.minimum([each.rank for each in shown], len(self.examination)) - 1
        attracts = self.attraction([each.after for each in shown], [each.pair_id for each in shown])
        return np.asarray(self.examination[rank] * attracts, dtype=np.float64)

    def _features(self, after: Sequence[str], pair_ids: Sequence[str]) -> FloatVector:
        return features(after, pair_ids, self.rates.of(after, pair_ids), self.catalogue, self.with_vectors, self.texts)


class Rates:
    """Position-corrected rates: clicks per look, each smoothed towards the more general one."""

    def __init__(self, shown: Sequence[Shown], looks: FloatVector, topics: Mapping[str, str], prior: float) -> None:
        """Take impressions, how often each was looked at (n,), topics of pairs, and the smoothing."""
        self.topics, self.prior = topics, prior
        self.counts: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for each, look in zip(shown, looks, strict=True):
            for key in self._keys(each.after, each.pair_id):
                self.counts[key][0] += each.clicked
                self.counts[key][1] += look

    def of(
        self, after: Sequence[str], pair_ids: Sequence[str], without: Sequence[tuple[float, float]] | None = None
    ) -> FloatVector:
        """Return rates (4, n): of the pair after what was answered last; without clicks and looks of each, if given.

        In order: of the pair, of the pair after the other, of the topic, of the topic after the other topic.
        """
        taken = without or [(0.0, 0.0)] * len(pair_ids)
        return np.array([self._rates(*each) for each in zip(after, pair_ids, taken, strict=True)]).T.reshape(4, -1)

    def _rates(self, after: str, pair_id: str, taken: tuple[float, float]) -> tuple[float, ...]:
        every, topic, topics, pair, both = (self._count(key, taken) for key in self._keys(after, pair_id))
        general = (every[0] + 1.0) / (every[1] + 10.0)
        of_topic = self._smoothed(topic, general)
        of_topics = self._smoothed(topics, of_topic)
        of_pair = self._smoothed(pair, of_topic)
        return of_pair, self._smoothed(both, of_pair), of_topic, of_topics

    def _smoothed(self, count: tuple[float, float], towards: float) -> float:
        rate = (count[0] + self.prior * towards) / (count[1] + self.prior)
        return min(max(rate, 1e-4), 1 - 1e-4)

    def _count(self, key: tuple[str, ...], taken: tuple[float, float]) -> tuple[float, float]:
        clicks, looks = self.counts.get(key, (0.0, 0.0))
        return max(0.0, clicks - taken[0]), max(0.0, looks - taken[1])

    def _keys(self, after: str, pair_id: str) -> tuple[tuple[str, ...], ...]:
        here, there = self.topics.get(after, ""), self.topics.get(pair_id, "")
        return ((), ("topic", there), ("topics", here, there), ("pair", pair_id), ("both", after, pair_id))


def fit_clicks(
    shown: Sequence[Shown], catalogue: Catalogue, config: ClickConfig | None = None, texts: Texts | None = None
) -> ClickModel | None:
    """Return a model of impressions, or None where there are none, or none was clicked.

    Args:
        shown: impressions of suggestions, clicked or not.
        catalogue: of the pairs that they show and that they were shown after.
        config: see `ClickConfig`.
        texts: a text model, as one more feature.
    """
    settings = config or ClickConfig()
    if not any(each.clicked for each in shown):
        return None
    few = len(shown) < settings.fewest_impressions
    if few:
        examination = _by_rank(shown)
        rates = Rates(shown, examination[_ranks(shown, examination)], catalogue.topics, settings.prior)
        return ClickModel(examination=examination, rates=rates, weights=np.empty(0), catalogue=catalogue)
    whole = _fitted(shown, catalogue, settings, texts)
    told = [
        _told(_fitted(kept, catalogue, settings, texts), held_out)
        for kept, held_out in _folds(shown, settings)
        if kept and held_out
    ]
    return replace(whole, scale=_fit_scale(*map(np.concatenate, zip(*told, strict=True))))


def features(
    after: Sequence[str],
    pair_ids: Sequence[str],
    rates: FloatVector,
    catalogue: Catalogue,
    with_vectors: bool,
    texts: Texts | None,
) -> FloatVector:
    """Return what the regression takes of each suggestion (n, f): logits of rates, cosine, vectors, text, and 1."""
    first = np.stack([catalogue.vector(each) for each in after]).astype(np.float64)
    second = np.stack([catalogue.vector(each) for each in pair_ids]).astype(np.float64)
    cosine = np.einsum("nd,nd->n", first, second)
    parts = [logit(rates).T, cosine[:, None]]
    if with_vectors:
        # In this scale a coordinate varies by about as much as a cosine does.
        parts += [second, np.sqrt(catalogue.dimension) * first * second]
    if texts is not None:
        parts.append(texts(list(zip(after, pair_ids, strict=True))).astype(np.float64)[:, None])
    return np.concatenate([*parts, np.ones((len(pair_ids), 1))], axis=1)


def _fitted(shown: Sequence[Shown], catalogue: Catalogue, config: ClickConfig, texts: Texts | None) -> ClickModel:
    """Return examination and attraction, fitted in turn until they stay."""
    after, pair_ids = [each.after for each in shown], [each.pair_id for each in shown]
    clicked = np.array([each.clicked for each in shown], dtype=np.float64)
    with_vectors = len(shown) >= config.vectors_from
    examination = _by_rank(shown)
    rank = _ranks(shown, examination)
    weights = np.empty(0)
    for _ in range(config.rounds):
        looks = examination[rank]
        rates = Rates(shown, looks, catalogue.topics, config.prior)
        own = list(zip(clicked.tolist(), looks.tolist(), strict=True))
        # Of its own click a rate must know nothing, or it would tell it.
        known = features(after, pair_ids, rates.of(after, pair_ids, own), catalogue, with_vectors, texts)
        attracts = expit(known @ weights) if len(weights) else rates.of(after, pair_ids, own)[1]
        missed = 1 - looks * attracts
        is_attractive = np.where(clicked > 0, 1.0, (1 - looks) * attracts / missed)
        is_looked_at = np.where(clicked > 0, 1.0, looks * (1 - attracts) / missed)
        weights = _logistic(known, is_attractive, config.penalty, weights)
        before, examination = examination, _mean_by_rank(is_looked_at, rank, len(examination))
        if np.abs(before - examination).max() < 1e-3:
            break
    rates = Rates(shown, examination[rank], catalogue.topics, config.prior)
    return ClickModel(
        examination=examination,
        rates=rates,
        weights=weights,
        catalogue=catalogue,
        with_vectors=with_vectors,
        texts=texts,
    )


def _logistic(known: FloatVector, target: FloatVector, penalty: float, start: FloatVector) -> FloatVector:
    """Return the weights with the least cross-entropy with soft targets, and a penalty on all but the last one."""
    free = np.ones(known.shape[1])
    free[-1] = 0.0

    def objective(weights: FloatVector) -> tuple[float, FloatVector]:
        logits = known @ weights
        loss = float((np.logaddexp(0.0, logits) - target * logits).sum()) + penalty * float(free @ weights**2) / 2
        return loss, known.T @ (expit(logits) - target) + penalty * free * weights

    first = start if len(start) else np.zeros(known.shape[1])
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x, dtype=np.float64)


def _told(model: ClickModel, held_out: Sequence[Shown]) -> tuple[FloatVector, FloatVector, FloatVector]:
    """Return logits of attraction, looks and clicks of impressions (n,) that a model was not fitted on."""
    attracts = model.attraction([each.after for each in held_out], [each.pair_id for each in held_out])
    looks = model.examination[_ranks(held_out, model.examination)]
    clicked = np.array([each.clicked for each in held_out], dtype=np.float64)
    return logit(np.clip(attracts, 1e-6, 1 - 1e-6)), looks, clicked


def _fit_scale(logits: FloatVector, looks: FloatVector, clicked: FloatVector) -> tuple[float, float]:
    """Return slope and offset of the logits under which held-out clicks are most likely, at their ranks."""

    def loss(scale: FloatVector) -> float:
        chance = np.clip(looks * expit(scale[0] * logits + scale[1]), 1e-9, 1 - 1e-9)
        return -float(np.where(clicked > 0, np.log(chance), np.log1p(-chance)).mean())

    found = minimize(loss, np.array([1.0, 0.0]), bounds=[(0.05, 5.0), (-5.0, 5.0)], method="L-BFGS-B").x
    return float(found[0]), float(found[1])


def _by_rank(shown: Sequence[Shown]) -> FloatVector:
    """Return clicks at each rank as a share of those at the first, smoothed: where EM begins."""
    most = max(each.rank for each in shown)
    clicks, count = np.full(most, 1.0), np.full(most, 10.0)
    for each in shown:
        clicks[each.rank - 1] += each.clicked
        count[each.rank - 1] += 1
    return np.asarray(np.minimum(1.0, (clicks / count) / (clicks[0] / count[0])), dtype=np.float64)


def _mean_by_rank(values: FloatVector, rank: NDArray[np.int64], most: int) -> FloatVector:
    total = np.bincount(rank, weights=values, minlength=most) + 1e-3
    mean = total / (np.bincount(rank, minlength=most) + 1e-3)
    return np.asarray(np.clip(mean / mean[0], 0.02, 1.0), dtype=np.float64)


def _ranks(shown: Sequence[Shown], examination: FloatVector) -> NDArray[np.int64]:
    return np.minimum([each.rank for each in shown], len(examination)).astype(np.int64) - 1


def _folds(shown: Sequence[Shown], config: ClickConfig) -> Iterator[tuple[list[Shown], list[Shown]]]:
    """Yield impressions to fit on and those held out, by whole conversations."""
    names = sorted({each.conversation for each in shown})
    order = np.random.default_rng(config.seed).permutation(len(names))
    fold = {names[at]: place % config.folds for place, at in enumerate(order)}
    for number in range(config.folds):
        kept = [each for each in shown if fold[each.conversation] != number]
        yield kept, [each for each in shown if fold[each.conversation] == number]
