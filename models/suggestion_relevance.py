"""How likely a question that is suggested serves whoever asked: its similarity to the request, and how it is asked.

What is near to a request need not help: `what kind of shoes` is as near to `running shoes` as `do you want reviews of
running shoes`, and less often what people want. So a linear model adds to the cosine of question q and request r what
is known of such questions: of where they lie, and of their wording (`models.wording`):

    logit(q, r) = a · cosine(q, r) + b · vector(q) + Σ_{g ∈ wordings(q, r)} c_g

It is fitted listwise (ListNet, Cao et al. 2007): the softmax over the candidates of a request is to be their shares of
what they serve, with an L2 penalty on all weights. That is convex, so that nothing is drawn in the fit. Relevance is a
logit's sigmoid after Platt scaling (1999) on requests that the fit did not see.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from kb.types import FloatArray
from models.wording import common_words, wordings

FloatVector = NDArray[np.float64]

_SPREAD = 0.25
"""Of a coordinate of a vector beside a wording: larger lets the fit rest more on where questions lie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuggestionRelevanceConfig:
    """What the relevance of suggestions depends on."""

    penalty: float = 0.1
    """On the squared weights."""
    least_requests: int = 8
    """With fewer requests than these a wording is not learned."""
    common_share: float = 0.05
    """A word in this share of the questions is no matter that a request could name."""
    folds: int = 10
    """Of the requests, each told by a fit on the others, for Platt scaling and whatever is chosen after it."""
    seed: int = 0
    """Of the folds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """A request and the questions that may be suggested: `vector` (d,) and `vectors` (n, d) are unit vectors."""

    request: str
    vector: FloatArray
    questions: Sequence[str]
    vectors: FloatArray


class SuggestionRelevance:
    """A fitted model; `fit` makes it."""

    def __init__(self, features: "_Features", weights: FloatVector, scale: tuple[float, float]) -> None:
        """Take features, their weights (f,), and slope and offset of Platt scaling."""
        self._features, self._weights, self._scale = features, weights, scale

    def relevance(self, candidates: Candidates) -> FloatArray:
        """Return the probability that each candidate serves something of the request (n,)."""
        logits = self._features.of(candidates) @ self._weights
        return np.asarray(_platt(logits, self._scale), dtype=np.float32)


def fit(
    groups: Sequence[Candidates], served: Sequence[FloatVector], config: SuggestionRelevanceConfig
) -> tuple[SuggestionRelevance, list[FloatArray]]:
    """Return a model, and the relevance of the candidates of each group as told by fits without the group.

    Args:
        groups: requests with their candidates.
        served: how many needs of the request each candidate serves (n,), by group.
        config: see `SuggestionRelevanceConfig`.

    Raises:
        ValueError: fewer than two groups have a candidate that serves anything.
    """
    usable = np.array([bool(each.any()) for each in served])
    if usable.sum() < 2:
        raise ValueError(f"expected two or more requests with a question that serves them; got {usable.sum()}")
    fold = _folds(usable, config)
    held_out: list[FloatVector] = [np.empty(0)] * len(groups)
    for each in range(int(fold.max()) + 1):
        others = [at for at, own in enumerate(fold) if own != each]
        features, weights = _fitted([groups[at] for at in others], [served[at] for at in others], config)
        for at, own in enumerate(fold):
            if own == each:
                held_out[at] = features.of(groups[at]) @ weights
    scale = _fit_platt(np.concatenate(held_out), np.concatenate(list(served)) > 0)
    model = SuggestionRelevance(*_fitted(groups, served, config), scale)
    return model, [np.asarray(_platt(logits, scale), dtype=np.float32) for logits in held_out]


def _folds(usable: NDArray[np.bool_], config: SuggestionRelevanceConfig) -> NDArray[np.int64]:
    """Return the fold of each group; what can be learned from is spread over all, so that no fit is without any."""
    order = np.random.default_rng(config.seed).permutation(len(usable))
    order = order[np.argsort(~usable[order], kind="stable")]
    fold = np.empty(len(usable), dtype=np.int64)
    fold[order] = np.arange(len(usable)) % min(config.folds, int(usable.sum()))
    return fold


class _Features:
    """Candidates → one row of features each: cosine, vector, and known wordings."""

    def __init__(self, groups: Sequence[Candidates], config: SuggestionRelevanceConfig) -> None:
        texts = {text: vector for group in groups for text, vector in zip(group.questions, group.vectors, strict=True)}
        self._centre = np.mean(list(texts.values()), axis=0)
        cosines = np.concatenate([group.vectors @ group.vector for group in groups])
        self._middle, self._unit = float(cosines.mean()), float(cosines.std()) or 1.0
        self._common = common_words(texts, config.common_share)
        counts: Counter[str] = Counter()
        for group in groups:
            counts.update(set().union(*self._wordings(group)))
        known = sorted(wording for wording, count in counts.items() if count >= config.least_requests)
        self._column = {wording: column for column, wording in enumerate(known)}

    def of(self, group: Candidates) -> Any:
        """Return a sparse matrix (n, 1 + d + wordings)."""
        cosine = (group.vectors @ group.vector - self._middle) / self._unit
        spread = _SPREAD * np.sqrt(group.vectors.shape[1])
        dense = np.column_stack([cosine, spread * (group.vectors - self._centre)])
        rows, columns = [], []
        for row, found in enumerate(self._wordings(group)):
            known = [self._column[each] for each in found if each in self._column]
            rows += [row] * len(known)
            columns += known
        shape = (len(group.questions), len(self._column))
        return sparse.hstack(
            [sparse.csr_matrix(dense), sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape)]
        )

    def _wordings(self, group: Candidates) -> Iterator[frozenset[str]]:
        return (wordings(group.request, text, self._common) for text in group.questions)


def _fitted(
    groups: Sequence[Candidates], served: Sequence[FloatVector], config: SuggestionRelevanceConfig
) -> tuple[_Features, FloatVector]:
    features = _Features(groups, config)
    useful = [at for at, each in enumerate(served) if each.any()]
    rows = sparse.vstack([features.of(groups[at]) for at in useful]).tocsr()
    target = np.concatenate([served[at] / served[at].sum() for at in useful])
    ends = np.cumsum([len(served[at]) for at in useful])

    def objective(weights: FloatVector) -> tuple[float, FloatVector]:
        log_share = np.concatenate([log_softmax(each) for each in np.split(rows @ weights, ends[:-1])])
        loss = -float(target @ log_share) / len(useful) + config.penalty * float(weights @ weights) / 2
        return loss, rows.T @ (np.exp(log_share) - target) / len(useful) + config.penalty * weights

    found = minimize(objective, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return features, np.asarray(found.x, dtype=np.float64)


def _fit_platt(logits: FloatVector, serves: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset of the sigmoid with the least log loss."""

    def loss(scale: FloatVector) -> float:
        margin = np.where(serves, 1.0, -1.0) * (scale[0] * logits + scale[1])
        return float(np.logaddexp(0.0, -margin).mean())

    # Never a slope below 0: that would turn the ranking around.
    found = minimize(loss, np.array([1.0, 0.0]), bounds=[(1e-3, None), (None, None)], method="L-BFGS-B").x
    return float(found[0]), float(found[1])


def _platt(logits: FloatVector, scale: tuple[float, float]) -> FloatVector:
    return np.asarray(expit(scale[0] * logits + scale[1]), dtype=np.float64)
