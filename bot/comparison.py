"""Before against after on the same questions, and the mean over seeds.

A difference is resampled in pairs, question by question (Efron 1979), and counts when its 95 % interval lies on one
side of zero. With several seeds, a question's value is its mean over them, so that the interval is of the questions
asked; the spread over seeds stands beside it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.diagnosis import NOTHING, predicted_of
from bot.evaluation import Outcome
from bot.labelled import OOS, Labelled
from kb.errors import describe
from models.evaluate.bootstrap import bootstrap_interval, paired_difference
from models.evaluate.ranking import precision_at_1
from models.evaluate.refusal import OUT_OF_SCOPE, auroc, best_mcc

Vector = NDArray[np.float64]
Positions = NDArray[np.int64]
Measure = Callable[[Positions], float]
"""Of a resample of the questions."""

EXAMPLES = 50
"""Wins and losses that are told one by one, of each."""


def compare_outcomes(
    questions: Sequence[Labelled], before: Sequence[Outcome], after: Sequence[Outcome], *, examples: int = EXAMPLES
) -> dict[str, Any]:
    """Return by how much `after` differs from `before`; the keys are those of `compare_seeds`."""
    return compare_seeds(questions, [before], [after], examples=examples)


def compare_seeds(
    questions: Sequence[Labelled],
    before: Sequence[Sequence[Outcome]],
    after: Sequence[Sequence[Outcome]],
    *,
    examples: int = EXAMPLES,
) -> dict[str, Any]:
    """Return by how much the mean over the seeds of `after` differs from that of `before`.

    Args:
        questions: labelled (n,).
        before: the outcomes (n,) of each seed; one where it has none.
        after: the same; there may be another number of seeds.
        examples: wins and losses that are told, of each.

    Returns:
        `n`; `measures`, which maps `p_at_1` (in scope) and, where there are questions in and out of scope, `auroc` and
        `best_mcc` to `before`, `after`, `difference` and its `interval`; `n_wins` and `n_losses`, questions in scope
        whose P@1 rose or fell, the first of them as `wins` and `losses`; and `per_topic`, with those that lost most
        first. A topic is a right pair, the first by name of several.

    Raises:
        ValueError: a side has no seed, or a seed not one outcome for each question.
    """
    _check(questions, [*before, *after] if before and after else [])
    inside = [at for at, each in enumerate(questions) if each.right]
    hits = [_hits(questions, runs, inside) for runs in (before, after)]
    change = hits[1] - hits[0]
    measures: dict[str, Any] = {}
    if inside:
        measures["p_at_1"] = _difference(*hits)
    if 0 < len(inside) < len(questions):
        measures |= _refusing(questions, before, after)
    wins = [at for at in np.argsort(-change, kind="stable") if change[at] > 0]
    losses = [at for at in np.argsort(change, kind="stable") if change[at] < 0]

    def told(found: Sequence[int]) -> list[dict[str, Any]]:
        return [_example(questions, before, after, inside[at]) for at in found[:examples]]

    return {
        "n": len(questions),
        "measures": measures,
        "n_wins": len(wins),
        "n_losses": len(losses),
        "wins": told(wins),
        "losses": told(losses),
        "per_topic": _per_topic([questions[at] for at in inside], *hits),
    }


def _check(questions: Sequence[Labelled], runs: Sequence[Sequence[Outcome]]) -> None:
    sizes = [len(run) for run in runs]
    if not sizes or set(sizes) != {len(questions)}:
        raise ValueError(
            describe(
                expected=f"{len(questions)} outcomes before and after, for every seed",
                got=", ".join(map(str, sizes)) or "no seed",
                remedy="ask the same questions before and after",
            )
        )


def mean_over_seeds(reports: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return for every figure that all reports have its `mean`, standard deviation `sd`, and `values` by seed.

    A figure is a number, or one in a mapping, whose name is then `latency_ms.p50`; intervals and lists are left out.
    `sd` is of the sample (n - 1 below the line), and none for a single seed.
    """
    figures = [dict(_figures(each)) for each in reports]
    return {
        name: {
            "mean": float(np.mean([each[name] for each in figures])),
            "sd": float(np.std([each[name] for each in figures], ddof=1)) if len(figures) > 1 else None,
            "values": [each[name] for each in figures],
        }
        for name in figures[0]
        if all(name in each for each in figures)
    }


def _figures(report: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in report.items():
        if isinstance(value, Mapping):
            found += _figures(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((prefix + name, value))
    return found


def _hits(questions: Sequence[Labelled], runs: Sequence[Sequence[Outcome]], inside: Sequence[int]) -> Vector:
    """Return P@1 of each question in scope, its mean over the seeds."""
    values = [[precision_at_1(run[at].ranking, questions[at].right) for at in inside] for run in runs]
    return np.asarray(np.mean(np.array(values, dtype=np.float64).reshape(len(runs), len(inside)), axis=0))


def _difference(before: Vector, after: Vector) -> dict[str, Any]:
    difference, low, high = paired_difference(after, before)
    return _row(float(before.mean()), float(after.mean()), difference, (low, high))


def _row(before: float, after: float, difference: float, interval: tuple[float, float]) -> dict[str, Any]:
    return {
        "before": before,
        "after": after,
        "difference": difference,
        "interval": [round(end, 4) for end in interval],
    }


def _refusing(
    questions: Sequence[Labelled], before: Sequence[Sequence[Outcome]], after: Sequence[Sequence[Outcome]]
) -> dict[str, Any]:
    sides = [_measured(questions, runs) for runs in (before, after)]
    everything = np.arange(len(questions))
    rows = {}
    for name in ("auroc", "best_mcc"):
        first, second = sides[0][name], sides[1][name]
        whole = first(everything), second(everything)
        interval = bootstrap_interval(_rise(first, second), len(questions))
        rows[name] = _row(*whole, whole[1] - whole[0], interval)
    return rows


def _rise(first: Measure, second: Measure) -> Measure:
    return lambda at: second(at) - first(at)


def _measured(questions: Sequence[Labelled], runs: Sequence[Sequence[Outcome]]) -> dict[str, Measure]:
    """Return measures of a resample, each the mean over the seeds."""
    in_scope = np.array([bool(each.right) for each in questions])
    coded = [_codes(questions, run) for run in runs]
    return {
        "auroc": lambda at: float(np.mean([auroc(sure[at], in_scope[at]) for _, _, sure in coded])),
        "best_mcc": lambda at: float(np.mean([best_mcc(gold[at], found[at], sure[at]) for gold, found, sure in coded])),
    }


def _codes(questions: Sequence[Labelled], run: Sequence[Outcome]) -> tuple[Positions, Positions, Vector]:
    """Return gold and predicted codes, as `bot.evaluation` has them, and confidences."""
    gold = [min(each.right) if each.right else OOS for each in questions]
    found = [predicted_of(each) for each in run]
    code = {name: at for at, name in enumerate(sorted({*gold, *found}))} | dict.fromkeys((OOS, NOTHING), OUT_OF_SCOPE)
    confidence = np.array([each.confidence for each in run], dtype=np.float64)
    return np.array([code[name] for name in gold]), np.array([code[name] for name in found]), confidence


def _example(
    questions: Sequence[Labelled], before: Sequence[Sequence[Outcome]], after: Sequence[Sequence[Outcome]], at: int
) -> dict[str, Any]:
    def shown(runs: Sequence[Sequence[Outcome]]) -> str:
        return " · ".join(dict.fromkeys(predicted_of(run[at]) for run in runs))

    return {
        "question": questions[at].question,
        "gold": min(questions[at].right),
        "before": shown(before),
        "after": shown(after),
    }


def _per_topic(questions: Sequence[Labelled], before: Vector, after: Vector) -> list[dict[str, Any]]:
    members: dict[str, list[int]] = defaultdict(list)
    for at, each in enumerate(questions):
        members[min(each.right)].append(at)
    rows = [
        {
            "topic": topic,
            "n": len(at),
            "before": round(float(before[at].mean()), 4),
            "after": round(float(after[at].mean()), 4),
            "difference": round(float((after - before)[at].mean()), 4),
        }
        for topic, at in members.items()
    ]
    return sorted(rows, key=lambda row: (row["difference"], row["topic"]))
