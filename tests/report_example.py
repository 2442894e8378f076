"""A report with every section, small; the text of every place that takes one can be chosen."""

from collections.abc import Sequence
from typing import Any

from bot.comparison import mean_over_seeds
from bot.diagnosis import curves, diagnose
from bot.evaluation import Outcome
from bot.labelled import Labelled


def outcome(ranking: Sequence[str], confidence: float, answered: bool = True) -> Outcome:
    return Outcome(ranking=tuple(ranking), confidence=confidence, answered=answered, threshold=0.5, latency_ms=2.0)


def example(first: str = "track order", second: str = "refund", text: str = "where is it") -> dict[str, Any]:
    """Two topics and their questions; `text` is part of all questions and of everything else that is told."""
    questions = [
        Labelled(question=f"{at} {text}", right=frozenset(right))
        for at, right in enumerate([{first}, {first}, {second}, {second}, {first}, set(), set()])
    ]
    after = [
        outcome((first, second), 0.9),
        outcome((second, first), 0.8),
        outcome((second, first), 0.7),
        outcome((first, second), 0.6),
        outcome((first, second), 0.3, answered=False),
        outcome((first, second), 0.95),
        outcome((second, first), 0.1, answered=False),
    ]
    won = {"question": questions[0].question, "gold": first, "before": second, "after": f"{first} · {second}"}
    changed = {"topic": first, "n": 3, "before": 0.1, "after": 0.6, "difference": 0.5}
    difference = {"before": 0.4, "after": 0.6, "difference": 0.2, "interval": [0.1, 0.3]}
    # Measured ones would be resampled a thousand times for every test.
    report: dict[str, Any] = {"n": 7, "n_in_scope": 5, "threshold": 0.5, "latency_ms": {"p50": 2.0, "p95": 2.5}}
    report |= {"p_at_1": 0.6, "in_scope_accuracy": 0.6, "auroc": 0.55, "intervals": {"in_scope_accuracy": [0.2, 0.9]}}
    curve = {"step": [0, 10, 20], "loss": [2.0, 1.0, 0.7], "name": text}
    return {
        **report,
        **diagnose(questions, after),
        **curves(questions, after),
        "comparison": {
            "n": 7,
            "measures": {"p_at_1": difference, "auroc": difference},
            "n_wins": 1,
            "n_losses": 3,
            "wins": [won],
            "losses": [won],
            "per_topic": [changed, changed | {"topic": second, "difference": 0.0}],
        },
        "seeds": mean_over_seeds([report, report]),
        "training": [curve, curve | {"validation_step": [10, 20], "validation": [0.5, 0.6], "validation_name": text}],
        "title": text,
        "about": {text: text},
        "titles": {first: text, second: text},
    }
