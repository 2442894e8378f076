"""What went wrong, and with what confidence: outcomes of test questions → topics, confusions, worst questions, curves.

A topic is a pair: the label of an intent, a passage. A question in scope counts by its first pair, refused or not, as
in `in_scope_accuracy`; one that is out of scope counts where it was answered, as a confusion of `oos` with the topic of
the answer. A question with several right pairs counts for the one found first.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.evaluation import Outcome
from bot.labelled import OOS, Labelled
from models.evaluate.per_topic import confusion_matrix, confusions, most_confused, topic_table
from models.evaluate.reliability import reliability, share_interval
from models.evaluate.risk_coverage import risk_coverage

NOTHING = ""
"""What a ranking without any pair predicts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiagnosisConfig:
    """How much is told."""

    topics: int = 200
    """Rows of the table of topics, those with the lowest F1 first."""
    confusions: int = 30
    """Pairs of topics."""
    worst: int = 20
    """Questions of each kind."""
    matrix: int = 12
    """Topics of the matrix, the most confused ones."""
    histogram_bins: int = 20
    """Of equal width, from 0 to 1."""
    reliability_bins: int = 10
    """Of equal mass."""
    curve_points: int = 400
    """Of the risk-coverage curve, at most."""


DEFAULT = DiagnosisConfig()


def diagnose(
    questions: Sequence[Labelled], outcomes: Sequence[Outcome], config: DiagnosisConfig = DEFAULT
) -> dict[str, Any]:
    """Return bounded lists for JSON: `per_topic`, `confusions` and `worst`."""
    coded = _Coded(questions, outcomes)
    return {
        "per_topic": _per_topic(coded, config.topics),
        "confusions": _confusions(coded, config.confusions),
        "worst": {
            "wrong": worst_answered(questions, outcomes, config.worst),
            "refused": worst_refused(questions, outcomes, config.worst),
        },
    }


def curves(
    questions: Sequence[Labelled],
    outcomes: Sequence[Outcome],
    config: DiagnosisConfig = DEFAULT,
    *,
    peers: Mapping[str, Sequence[Outcome]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return what the plots show: `confusion_matrix`, `confidence`, `reliability`, `risk_coverage`; and `n_topics`.

    `reliability` and `risk_coverage` map the name of a set of questions to its curve. Their names are `in scope`, and
    `all questions` where some are out of scope, to which no answer is right. In `risk_coverage` all questions of other
    systems, `peers`, stand beside them under their names.
    """
    coded = _Coded(questions, outcomes)
    confidence, right = _judged(questions, outcomes)
    sets = {"in scope": coded.in_scope} if coded.in_scope.any() else {}
    if not coded.in_scope.all():
        sets["all questions"] = np.ones(len(questions), dtype=bool)
    return {
        "n_topics": len(np.unique(coded.gold[coded.in_scope])),
        "confusion_matrix": _matrix(coded, config.matrix),
        "confidence": _histogram(confidence, right, coded.in_scope, config.histogram_bins)
        | {"threshold": outcomes[0].threshold},
        "reliability": {
            name: _reliability(confidence[which], right[which], config.reliability_bins) for name, which in sets.items()
        },
        "risk_coverage": {
            name: _risk_coverage(confidence[which], right[which], config.curve_points) for name, which in sets.items()
        }
        | {name: _risk_coverage(*_judged(questions, each), config.curve_points) for name, each in peers.items()},
    }


def _judged(
    questions: Sequence[Labelled], outcomes: Sequence[Outcome]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return confidence, and whether the first pair is right, each (n,)."""
    right = [rank_of(*each) == 1 for each in zip(questions, outcomes, strict=True)]
    return np.array([each.confidence for each in outcomes], dtype=np.float64), np.array(right, dtype=bool)


def rank_of(question: Labelled, outcome: Outcome) -> int | None:
    """Return the rank of the first right pair, from 1; none where the ranking has none."""
    return next((rank for rank, found in enumerate(outcome.ranking, start=1) if found in question.right), None)


def gold_of(question: Labelled, outcome: Outcome) -> str:
    """Return the topic that a question counts for: the right pair found first, else the first by name; or `oos`."""
    if not question.right:
        return OOS
    rank = rank_of(question, outcome)
    return outcome.ranking[rank - 1] if rank else min(question.right)


def predicted_of(outcome: Outcome) -> str:
    """Return the first pair of the ranking, or `NOTHING`."""
    return outcome.ranking[0] if outcome.ranking else NOTHING


def worst_answered(questions: Sequence[Labelled], outcomes: Sequence[Outcome], n: int) -> list[dict[str, Any]]:
    """Return the n questions that were answered wrongly with the highest confidence; out of scope, every answer is."""
    wrong = [each for each in zip(questions, outcomes, strict=True) if each[1].answered and rank_of(*each) != 1]
    wrong.sort(key=lambda each: -each[1].confidence)
    return [_told(*each) for each in wrong[:n]]


def worst_refused(questions: Sequence[Labelled], outcomes: Sequence[Outcome], n: int) -> list[dict[str, Any]]:
    """Return n questions in scope that were refused: first those whose right pair ranked highest, least sure first."""
    refused = [each for each in zip(questions, outcomes, strict=True) if each[0].right and not each[1].answered]
    refused.sort(key=lambda each: (rank_of(*each) or np.inf, each[1].confidence))
    return [_told(*each) for each in refused[:n]]


def _told(question: Labelled, outcome: Outcome) -> dict[str, Any]:
    return {
        "question": question.question,
        "gold": gold_of(question, outcome),
        "predicted": predicted_of(outcome),
        "confidence": round(outcome.confidence, 4),
        "rank": rank_of(question, outcome),
    }


class _Coded:
    """Gold and predicted topics as codes, names by code; `counts` marks the questions that can be a confusion."""

    def __init__(self, questions: Sequence[Labelled], outcomes: Sequence[Outcome]) -> None:
        gold = [gold_of(*each) for each in zip(questions, outcomes, strict=True)]
        predicted = [predicted_of(each) for each in outcomes]
        self.names = sorted({*gold, *predicted})
        code = {name: at for at, name in enumerate(self.names)}
        self.gold = np.array([code[name] for name in gold], dtype=np.int64)
        self.predicted = np.array([code[name] for name in predicted], dtype=np.int64)
        self.in_scope = np.array([bool(each.right) for each in questions], dtype=bool)
        self.answered = np.array([each.answered for each in outcomes], dtype=bool)
        self.counts = self.in_scope | self.answered


def _per_topic(coded: _Coded, limit: int) -> list[dict[str, Any]]:
    which = coded.in_scope
    table = topic_table(coded.gold[which], coded.predicted[which])
    answered = Counter(coded.gold[which & coded.answered].tolist())
    strangers = Counter(coded.predicted[~which & coded.answered].tolist())
    rows = [
        {
            "topic": coded.names[topic],
            "n": int(table.n[at]),
            "recall": round(float(table.recall[at]), 4),
            "precision": None if np.isnan(table.precision[at]) else round(float(table.precision[at]), 4),
            "f1": round(float(table.f1[at]), 4),
            "answered": round(answered[topic] / int(table.n[at]), 4),
            "confused_with": coded.names[table.confused_with[at]] if table.confused_count[at] else None,
            "confused_count": int(table.confused_count[at]),
            "oos_answered": strangers[topic],
        }
        for at, topic in enumerate(table.topic.tolist())
    ]
    return sorted(rows, key=lambda row: (row["f1"], -row["n"], row["topic"]))[:limit]


def _confusions(coded: _Coded, limit: int) -> list[dict[str, Any]]:
    size = Counter(coded.gold.tolist())
    return [
        {
            "gold": coded.names[gold],
            "predicted": coded.names[predicted],
            "count": count,
            "share": round(count / size[gold], 4),
        }
        for gold, predicted, count in confusions(
            coded.gold[coded.counts], coded.predicted[coded.counts], limit
        ).tolist()
    ]


def _matrix(coded: _Coded, limit: int) -> dict[str, Any]:
    gold, predicted = coded.gold[coded.counts], coded.predicted[coded.counts]
    topics = most_confused(gold, predicted, limit)
    # Nothing is predicted as out of scope, so that it is a row, the last one, and no column.
    outside = np.array([coded.names[topic] in (OOS, NOTHING) for topic in topics], dtype=bool)
    topics = np.concatenate([topics[~outside], topics[outside]])
    matrix = np.delete(confusion_matrix(gold, predicted, topics), np.flatnonzero(np.sort(outside)), axis=1)
    names = [coded.names[topic] for topic in topics]
    return {"gold": names, "predicted": names[: int((~outside).sum())], "counts": matrix.tolist()}


def _histogram(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], in_scope: NDArray[np.bool_], bins: int
) -> dict[str, Any]:
    edges = np.linspace(0.0, 1.0, bins + 1)
    kinds = {"right": right, "wrong": in_scope & ~right, "out_of_scope": ~in_scope}
    counts = {name: np.histogram(confidence[which], edges)[0].tolist() for name, which in kinds.items()}
    return {"edges": edges.round(6).tolist(), **counts}


def _reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int) -> dict[str, Any]:
    found = reliability(confidence, right, bins)
    low, high = share_interval(found.accuracy, found.count)
    values = {"confidence": found.confidence, "accuracy": found.accuracy, "low": low, "high": high}
    rounded: dict[str, Any] = {name: value.round(4).tolist() for name, value in values.items()}
    return rounded | {"count": found.count.tolist(), "ece": round(found.ece, 4)}


def _risk_coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_], points: int) -> dict[str, Any]:
    curve = risk_coverage(confidence, right)
    at = np.unique(np.linspace(0, len(curve.risk) - 1, points).round().astype(np.int64))
    values = {"coverage": curve.coverage, "risk": curve.risk, "threshold": curve.threshold}
    rounded: dict[str, Any] = {name: value[at].round(4).tolist() for name, value in values.items()}
    return rounded | {"aurc": round(curve.aurc, 4)}
