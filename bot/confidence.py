"""Whether confidence can be trusted on labelled questions: calibration, promises, and what asking back is worth."""

from collections.abc import Sequence

import numpy as np

from bot.evaluation import Outcome
from bot.labelled import Labelled
from models.dial import turned_to
from models.evaluate.reliability import BoolVector, FloatVector, reliability
from models.evaluate.risk_coverage import risk_coverage

TARGETS = (0.90, 0.95, 0.98)
"""Promises that are checked."""
SPLITS = 40
"""Random halves that a promise is made and checked on."""
COVERED = 0.95
"""Share of the questions in scope that is answered where false acceptances are counted."""


def confidence_report(questions: Sequence[Labelled], outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return `ece`, `brier` and `aurc` of all questions, and what applies of `ece_in_scope` and `false_accept_at_95`.

    `false_accept_at_95` is the share of what is out of scope that has at least the confidence which 95 % of the
    questions in scope reach.
    """
    confidence, right, inside = _arrays(questions, outcomes)
    report = {
        "ece": reliability(confidence, right).ece,
        "brier": float(np.mean((confidence - right) ** 2)),
        "aurc": risk_coverage(confidence, right).aurc,
    }
    if inside.any() and not inside.all():
        report["ece_in_scope"] = reliability(confidence[inside], right[inside]).ece
        needed = np.sort(confidence[inside])[int(np.floor((1 - COVERED) * inside.sum()))]
        report["false_accept_at_95"] = float((confidence[~inside] >= needed).mean())
    return report


def one_click_report(questions: Sequence[Labelled], outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return what asking back is worth, over the questions in scope that were not refused.

    Returns:
        `clarified`, the share that was asked back; `top_answer_right`, where the best answer alone is right;
        `right_within_one_click`, where it is, or where the right pair is among the options; and `extra_options`, how
        many more buttons than the one plain answer a reply showed on average.
    """
    kept = [each for each in zip(questions, outcomes, strict=True) if each[0].right and each[1].answered]
    if not kept:
        return {}
    top = [outcome.ranking[:1] != () and outcome.ranking[0] in question.right for question, outcome in kept]
    click = [
        bool(set(outcome.options) & question.right) if outcome.options else was_right
        for (question, outcome), was_right in zip(kept, top, strict=True)
    ]
    return {
        "clarified": float(np.mean([bool(outcome.options) for _, outcome in kept])),
        "top_answer_right": float(np.mean(top)),
        "right_within_one_click": float(np.mean(click)),
        "extra_options": float(np.mean([max(len(outcome.options) - 1, 0) for _, outcome in kept])),
    }


def dial_report(
    questions: Sequence[Labelled], outcomes: Sequence[Outcome], targets: Sequence[float] = TARGETS, seed: int = 0
) -> list[dict[str, float]]:
    """Return for each promise how often it holds where it is made on one random half and checked on the other.

    Returns:
        For each target: `target`; `supported`, the share of the splits in which the half supports the promise;
        `kept`, the share in which at least so many of the answers on the other half are right (nothing is answered
        where it is not supported); `coverage`, the mean share of the other half that is answered.
    """
    confidence, right, _ = _arrays(questions, outcomes)
    sure = confidence.astype(np.float32)
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(len(sure)), 2) for _ in range(SPLITS)]
    report = []
    for target in targets:
        dials = [turned_to(target, sure[chosen], right[chosen]) for chosen, _ in halves]
        answered = [sure[other] >= dial.threshold for (_, other), dial in zip(halves, dials, strict=True)]
        kept = [
            not each.any() or right[other][each].mean() >= target
            for each, (_, other) in zip(answered, halves, strict=True)
        ]
        report.append(
            {
                "target": target,
                "supported": float(np.mean([dial.supported for dial in dials])),
                "kept": float(np.mean(kept)),
                "coverage": float(np.mean([each.mean() if len(each) else 0.0 for each in answered])),
            }
        )
    return report


def _arrays(questions: Sequence[Labelled], outcomes: Sequence[Outcome]) -> tuple[FloatVector, BoolVector, BoolVector]:
    """Return confidence, whether the first pair is right, and whether the question is in scope, each (n,)."""
    confidence = np.array([each.confidence for each in outcomes], dtype=np.float64)
    right = np.array(
        [
            found.ranking[:1] != () and found.ranking[0] in asked.right
            for asked, found in zip(questions, outcomes, strict=True)
        ]
    )
    return confidence, right, np.array([bool(each.right) for each in questions])
