"""What is suggested for labelled requests, by every strategy: learned, chosen, and measured on others.

    requests of train and dev ──▶ relevance (models.suggestion_relevance) ──▶ what each strategy selects by it,
    as fits tell that did not see the request ──▶ a diversity for each strategy, and the strategy that serves best
    ──▶ the same on the requests of the split that is asked for, which none of this has seen

The candidates of a request are the questions of the bank that are nearest to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from bot.selector import STRATEGIES, select
from bot.suggestion_data import Bank, Request
from kb.errors import TrainingDataError, describe
from kb.types import FloatArray
from models.evaluate.aspect_gain import alpha_ndcg, err_ia
from models.evaluate.coverage import s_recall
from models.evaluate.intra_list import ild
from models.suggestion_relevance import Candidates, SuggestionRelevance, SuggestionRelevanceConfig, fit

FloatMatrix = NDArray[np.float64]
IntArray = NDArray[np.int64]
Encode = Callable[[Sequence[str]], FloatArray]
Strategy = Callable[[FloatArray, FloatArray, int, float], Sequence[int]]
"""(vectors, relevance, k, diversity) → positions in the order of their selection."""

MEASURES = ("alpha_ndcg_at_5", "s_recall_at_5", "ild_at_5", "err_ia_at_5")
_ALPHA_NDCG, _S_RECALL, _ILD = range(3)
RELEVANCE = "relevance"
_PEERS = ("mmr", "msd", "dpp", "cover", "ssd")


@dataclass(frozen=True, kw_only=True, slots=True)
class SuggestionConfig:
    """What an evaluation of suggestions depends on."""

    candidates: int = 50
    """Questions of the bank, the nearest to the request, that are selected from."""
    selected: int = 5
    diversities: tuple[float, ...] = tuple(round(0.02 * step, 2) for step in range(51))
    """That are tried for every strategy."""
    most_loss: float = 0.01
    """Share of α-nDCG@5 and of S-recall@5, as by relevance alone, that more diversity may cost."""
    relevance: SuggestionRelevanceConfig = field(default_factory=SuggestionRelevanceConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A request with its candidates."""

    candidates: Candidates
    places: IntArray
    """Of the candidates in the bank (n,)."""
    serves: NDArray[np.bool_]
    """Which candidates serve which facets (n, m)."""
    judged: NDArray[np.bool_]
    """The same of all judged questions (j, m)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A strategy and its diversity."""

    name: str
    diversity: float


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What was learned and chosen, and the figures it was chosen by."""

    relevance: SuggestionRelevance
    default: Chosen
    by_strategy: Mapping[str, Chosen]
    curves: Mapping[str, FloatMatrix]
    """Strategy → mean measures at each diversity (diversities, measures), on requests that the fit did not see."""


def cases_of(requests: Sequence[Request], bank: Bank, encode: Encode, config: SuggestionConfig) -> list[Case]:
    """Return the requests with the candidates of each, the nearest first."""
    vectors, asked = encode(bank.texts), encode([each.text for each in requests])
    return [
        _case(request, vector, bank, vectors, config.candidates)
        for request, vector in zip(requests, asked, strict=True)
    ]


def strategies() -> dict[str, Strategy]:
    """Return our strategies by name, and those of pyversity as `pyversity_...` where it is installed."""
    found: dict[str, Strategy] = {name: _ours(name) for name in STRATEGIES}
    if find_spec("pyversity") is not None:
        found |= {f"pyversity_{name}": _theirs(name) for name in _PEERS}
    return found


def learn(cases: Sequence[Case], config: SuggestionConfig, progress: Callable[[int, int], None]) -> Learned:
    """Fit the relevance, and choose strategy and diversities by requests that the fit did not see.

    A strategy has the diversity with the highest ILD@5 of those that cost little beside relevance alone (`most_loss`).
    The default is the one of our own strategies that comes to the highest.

    Raises:
        TrainingDataError: hardly any candidate serves anything.
    """
    served = [case.serves.sum(axis=1).astype(np.float64) for case in cases]
    try:
        model, held_out = fit([case.candidates for case in cases], served, config.relevance)
    except ValueError as error:
        raise TrainingDataError(
            describe(expected="candidates that serve something", got=str(error), remedy="add judged questions")
        ) from error
    known, curves = strategies(), {}
    for done, (name, strategy) in enumerate(known.items()):
        progress(done, len(known))
        curves[name] = curve_of(cases, held_out, strategy, config)
    progress(len(known), len(known))
    rank = {name: _affordable(curve, curves[RELEVANCE][0], config) for name, curve in curves.items()}
    chosen = {
        name: Chosen(name=name, diversity=config.diversities[int(np.argmax(each))]) for name, each in rank.items()
    }
    best = max(STRATEGIES, key=lambda name: float(rank[name].max()))
    return Learned(relevance=model, default=chosen[best], by_strategy=chosen, curves=curves)


def selected(
    cases: Sequence[Case], relevance: Sequence[FloatArray], strategy: Strategy, diversity: float, k: int
) -> list[IntArray]:
    """Return positions among the candidates of each request, in the order of their selection.

    Relevance is taken relative to the most relevant candidate's: a diversity then weighs alike for a request to which
    much is relevant and for one to which little is.
    """
    return [
        np.array(strategy(case.candidates.vectors, each / each.max(), k, diversity), dtype=np.int64)
        for case, each in zip(cases, relevance, strict=True)
    ]


def measures(cases: Sequence[Case], selections: Sequence[IntArray], k: int) -> FloatMatrix:
    """Return the measures of what was selected for each request (requests, measures); NaN where nothing serves it."""
    rows = []
    for case, positions in zip(cases, selections, strict=True):
        shown = case.serves[positions]
        aspects = (alpha_ndcg(shown, case.judged, k), s_recall(shown, case.judged, k))
        rows.append((*aspects, ild(case.candidates.vectors[positions], k), err_ia(shown, case.judged, k)))
    return np.array(rows)


def curve_of(
    cases: Sequence[Case], relevance: Sequence[FloatArray], strategy: Strategy, config: SuggestionConfig
) -> FloatMatrix:
    """Return the mean measures at each diversity (diversities, measures)."""
    k = config.selected
    swept = (selected(cases, relevance, strategy, each, k) for each in config.diversities)
    return np.array([means(measures(cases, each, k)) for each in swept])


def means(values: FloatMatrix) -> FloatMatrix:
    """Return the mean of each measure over the requests that something serves."""
    return np.asarray(np.nanmean(values, axis=0), dtype=np.float64)


def _case(request: Request, vector: FloatArray, bank: Bank, vectors: FloatArray, count: int) -> Case:
    places = np.argsort(-(vectors @ vector), kind="stable")[:count]
    candidates = Candidates(
        request=request.text,
        vector=vector,
        questions=[bank.texts[at] for at in places],
        vectors=vectors[places],
    )
    serves = request.rows([bank.ids[at] for at in places])
    return Case(candidates=candidates, places=places, serves=serves, judged=request.judged())


def _ours(name: str) -> Strategy:
    return lambda vectors, relevance, k, diversity: select(vectors, relevance, k, diversity, name)  # type: ignore[arg-type]


def _theirs(name: str) -> Strategy:
    from pyversity import diversify

    def strategy(vectors: FloatArray, relevance: FloatArray, k: int, diversity: float) -> Sequence[int]:
        found = diversify(embeddings=vectors, scores=relevance, k=k, strategy=name, diversity=diversity)
        return [int(at) for at in found.indices]

    return strategy


def _affordable(curve: FloatMatrix, floor: FloatMatrix, config: SuggestionConfig) -> FloatMatrix:
    """Return ILD@5 at each diversity; less than any is where α-nDCG@5 or S-recall@5 falls too far below the floor."""
    kept = curve[:, [_ALPHA_NDCG, _S_RECALL]] >= (1 - config.most_loss) * floor[[_ALPHA_NDCG, _S_RECALL]]
    return np.where(kept.all(axis=1), curve[:, _ILD], -1.0)
