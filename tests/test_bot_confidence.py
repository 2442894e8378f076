import numpy as np
import pytest

from bot.confidence import confidence_report, dial_report, one_click_report
from bot.evaluation import Outcome
from bot.labelled import Labelled


def asked(right="a"):
    return Labelled(question="?", right=frozenset({right} - {""}))


def found(first="a", confidence=0.9, answered=True, options=()):
    ranking = (first,) if first else ()
    return Outcome(
        ranking=ranking, confidence=confidence, answered=answered, threshold=0.5, latency_ms=1.0, options=options
    )


def test_the_measures_of_confidence_are_those_of_a_hand_worked_example():
    # Confidence 1, 1, .5, .5; right, right, right, out of scope.
    questions = [asked(), asked(), asked(), asked("")]
    outcomes = [found(confidence=value) for value in (1.0, 1.0, 0.5, 0.5)]
    report = confidence_report(questions, outcomes)
    assert report["brier"] == pytest.approx((0 + 0 + 0.25 + 0.25) / 4)
    assert report["ece"] == pytest.approx(0.0)
    assert report["ece_in_scope"] == pytest.approx(0.5 / 3)
    assert report["aurc"] == pytest.approx(0 * 0.5 + 0.25 * 0.5)
    assert report["false_accept_at_95"] == 1.0


def test_what_needs_questions_of_both_kinds_is_left_out_where_there_is_one():
    assert set(confidence_report([asked(), asked()], [found(), found("b")])) == {"ece", "brier", "aurc"}


def test_a_click_on_the_right_option_counts_as_right_and_a_refusal_as_neither():
    questions = [asked(), asked(), asked(), asked(), asked("")]
    outcomes = [
        found(),
        found("b", options=("b", "a", "c")),
        found("b", options=("b", "c")),
        found(answered=False),
        found(options=("a", "b")),
    ]
    report = one_click_report(questions, outcomes)
    assert report["clarified"] == pytest.approx(2 / 3)
    assert report["top_answer_right"] == pytest.approx(1 / 3)
    assert report["right_within_one_click"] == pytest.approx(2 / 3)
    assert report["extra_options"] == pytest.approx((0 + 2 + 1) / 3)
    assert one_click_report([asked("")], [found()]) == {}


def test_promises_are_kept_by_confidences_that_are_true_and_cost_coverage():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.7, 1.0, 3_000)
    outcomes = [found("a" if rng.random() < value else "b", float(value)) for value in confidence]
    report = dial_report([asked()] * 3_000, outcomes, targets=(0.85, 0.90))
    assert [each["target"] for each in report] == [0.85, 0.90]
    assert all(each["kept"] >= 0.95 and each["supported"] == 1.0 for each in report)
    assert report[0]["coverage"] > report[1]["coverage"] > 0.3


def test_a_promise_that_the_questions_do_not_support_answers_nothing():
    (report,) = dial_report([asked()] * 40, [found()] * 40, targets=(0.98,))
    assert report == {"target": 0.98, "supported": 0.0, "kept": 1.0, "coverage": 0.0}
