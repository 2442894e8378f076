"""Test questions through the bot in service: the same `answer` and retriever as for customers."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.chatbot import ChatBot
from bot.labelled import Labelled
from kb.types import Reply
from models.evaluate.bootstrap import bootstrap_interval, mean_interval, paired_difference
from models.evaluate.ranking import average_precision, hit_at, precision_at_1, reciprocal_rank
from models.evaluate.refusal import OUT_OF_SCOPE, auroc, best_mcc, mcc_at

Progress = Callable[[int, int], None]
Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the bot did with a test question; `latency_ms` is of the whole `answer`.

    `answered` means that it was not refused; where the bot asked back, `options` are the pairs that it offered.
    """

    ranking: tuple[str, ...]
    confidence: float
    answered: bool
    threshold: float
    latency_ms: float
    options: tuple[str, ...] = ()


def run(bot: ChatBot, questions: Sequence[Labelled], progress: Progress | None = None) -> list[Outcome]:
    """Ask the bot every question.

    Raises:
        MessageError: a question has nothing to read.
    """
    outcomes = []
    for done, labelled in enumerate(questions):
        started = time.perf_counter()
        reply = bot.answer(labelled.question)
        latency_ms = 1000 * (time.perf_counter() - started)
        ranking = tuple(match.pair.pair_id for match in bot.rank(labelled.question))
        outcomes.append(
            Outcome(
                ranking=ranking,
                confidence=reply.confidence,
                # Small talk is met with a word, and answers no question.
                answered=reply.outcome == "clarifying" or (reply.outcome == "answered" and bool(reply.responses)),
                threshold=reply.explanation.threshold,
                latency_ms=latency_ms,
                options=_options(reply),
            )
        )
        if progress is not None:
            progress(done + 1, len(questions))
    return outcomes


def intent_report(
    questions: Sequence[Labelled], outcomes: Sequence[Outcome], pair_ids: Sequence[str]
) -> dict[str, Any]:
    """Return the measures of questions in and out of scope, with 95 % bootstrap intervals."""
    in_scope = np.array([bool(each.right) for each in questions])
    confidence = np.array([each.confidence for each in outcomes])
    answered = np.array([each.answered for each in outcomes])
    code = {pair_id: at for at, pair_id in enumerate(pair_ids)}
    gold = np.array([code[min(each.right)] if each.right else OUT_OF_SCOPE for each in questions])
    predicted = np.array([code[each.ranking[0]] if each.ranking else OUT_OF_SCOPE for each in outcomes])
    decided = np.where(answered, 1.0, 0.0)
    report: dict[str, Any] = {"n": len(questions), "n_in_scope": int(in_scope.sum())}
    intervals: dict[str, tuple[float, float]] = {}
    if in_scope.any():
        values = _ranking_values(questions, outcomes, in_scope)
        _add_means(report, intervals, values)
        report["in_scope_accuracy"] = report["p_at_1"]
        intervals["in_scope_accuracy"] = intervals["p_at_1"]
        _add_means(report, intervals, {"in_scope_answered": answered[in_scope].astype(float)})
    if not in_scope.all():
        _add_means(report, intervals, {"oos_recall": (~answered[~in_scope]).astype(float)})
        measures: dict[str, Callable[[NDArray[np.int64]], float]] = {
            "best_mcc": lambda at: best_mcc(gold[at], predicted[at], confidence[at]),
            "mcc_at_threshold": lambda at: mcc_at(0.5, gold[at], predicted[at], decided[at]),
        }
        if in_scope.any():
            measures["auroc"] = lambda at: auroc(confidence[at], in_scope[at])
        for name, measure in measures.items():
            report[name] = measure(np.arange(len(questions)))
            intervals[name] = bootstrap_interval(measure, len(questions))
    report["threshold"] = outcomes[0].threshold
    return report | {"latency_ms": latency(outcomes), "intervals": _rounded(intervals)}


def retrieval_report(questions: Sequence[Labelled], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the measures of rankings, with 95 % bootstrap intervals."""
    report: dict[str, Any] = {"n": len(questions)}
    intervals: dict[str, tuple[float, float]] = {}
    everything = np.ones(len(questions), dtype=bool)
    _add_means(report, intervals, _ranking_values(questions, outcomes, everything))
    return report | {"latency_ms": latency(outcomes), "intervals": _rounded(intervals)}


def compare_retrieval(
    bot: ChatBot, questions: Sequence[Labelled], outcomes: Sequence[Outcome], progress: Progress | None = None
) -> dict[str, Any]:
    """Return P@1 and hit@20 of embeddings alone and BM25 alone on the same entries, and by how much fusion differs."""
    retriever = bot.retriever
    weight = retriever.config.lexical_weight
    found: dict[str, list[Outcome]] = {"embeddings_alone": [], "bm25_alone": []}
    vectors = retriever.encoder.encode([each.question for each in questions])
    for done, (labelled, vector) in enumerate(zip(questions, vectors, strict=True)):
        evidence = retriever.evidence(labelled.question, vector)
        alone = {
            "embeddings_alone": evidence.fused - np.float32(weight) * evidence.lexical,
            "bm25_alone": evidence.lexical,
        }
        for name, each in alone.items():
            order = np.argsort(-each, kind="stable")[: retriever.config.top_k]
            ranking = tuple(retriever.pairs[row].pair_id for row in order)
            found[name].append(Outcome(ranking=ranking, confidence=0.0, answered=True, threshold=0.0, latency_ms=0.0))
        if progress is not None:
            progress(done + 1, len(questions))
    everything = np.ones(len(questions), dtype=bool)
    ours = _ranking_values(questions, outcomes, everything)
    report: dict[str, Any] = {}
    for name, theirs in found.items():
        values = _ranking_values(questions, theirs, everything)
        difference = paired_difference(ours["p_at_1"], values["p_at_1"])
        report[name] = {key: float(value.mean()) for key, value in values.items()}
        report[name]["fusion_minus_this_p_at_1"] = [round(number, 4) for number in difference]
    return report


def latency(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return median and 95th percentile of the latency in milliseconds."""
    values = [each.latency_ms for each in outcomes]
    return {"p50": round(float(np.quantile(values, 0.5)), 3), "p95": round(float(np.quantile(values, 0.95)), 3)}


def _options(reply: Reply) -> tuple[str, ...]:
    asked_back = reply.outcome == "clarifying"
    return tuple(each.pair_id for each in reply.follow_ups) if asked_back else ()


def _ranking_values(
    questions: Sequence[Labelled], outcomes: Sequence[Outcome], which: NDArray[np.bool_]
) -> dict[str, Vector]:
    chosen = [(outcomes[at].ranking, questions[at].right) for at in map(int, np.flatnonzero(which))]
    return {
        "p_at_1": np.array([precision_at_1(*each) for each in chosen]),
        "mrr": np.array([reciprocal_rank(*each) for each in chosen]),
        "hit_at_20": np.array([hit_at(20, *each) for each in chosen]),
        "map": np.array([average_precision(*each) for each in chosen]),
    }


def _add_means(report: dict[str, Any], intervals: dict[str, tuple[float, float]], values: Mapping[str, Vector]) -> None:
    for name, each in values.items():
        report[name] = float(each.mean())
        intervals[name] = mean_interval(each)


def _rounded(intervals: Mapping[str, tuple[float, float]]) -> dict[str, list[float]]:
    return {name: [round(low, 4), round(high, 4)] for name, (low, high) in intervals.items()}
