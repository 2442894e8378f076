import json
from dataclasses import replace

import numpy as np
import pytest

from bot.comparison import compare_outcomes, compare_seeds, mean_over_seeds
from bot.evaluation import Outcome, intent_report
from bot.labelled import Labelled


def labelled(*rights):
    return [Labelled(question=f"q{at}", right=frozenset(right)) for at, right in enumerate(rights)]


def outcomes(*firsts, confidence=0.5):
    sure = np.broadcast_to(confidence, len(firsts))
    return [
        Outcome(ranking=tuple(first), confidence=float(each), answered=True, threshold=0.5, latency_ms=1.0)
        for first, each in zip(firsts, sure, strict=True)
    ]


QUESTIONS = labelled("a", "a", "b", "b", "c")
BEFORE = outcomes("a", "b", "b", "a", "a")
AFTER = outcomes("a", "a", "c", "b", "c")


def test_a_difference_is_paired_with_wins_and_losses_by_example():
    told = compare_outcomes(QUESTIONS, BEFORE, AFTER)
    assert (told["n"], told["n_wins"], told["n_losses"]) == (5, 3, 1)
    assert [row["question"] for row in told["wins"]] == ["q1", "q3", "q4"]
    assert told["losses"] == [{"question": "q2", "gold": "b", "before": "b", "after": "c"}]
    row = told["measures"]["p_at_1"]
    assert (row["before"], row["after"], row["difference"]) == pytest.approx((2 / 5, 4 / 5, 2 / 5))
    assert row["interval"][0] < 0.4 < row["interval"][1]


def test_the_interval_of_the_same_gain_everywhere_has_no_width():
    told = compare_outcomes(labelled("a", "b"), outcomes("b", "a"), outcomes("a", "b"))
    assert told["measures"]["p_at_1"]["interval"] == [1.0, 1.0]


def test_no_difference_at_all_has_no_wins_no_losses_and_an_interval_of_zero():
    told = compare_outcomes(QUESTIONS, BEFORE, BEFORE)
    assert (told["n_wins"], told["n_losses"], told["measures"]["p_at_1"]["interval"]) == (0, 0, [0.0, 0.0])


def test_topics_that_lost_most_come_first():
    rows = compare_outcomes(QUESTIONS, BEFORE, AFTER)["per_topic"]
    assert [(row["topic"], row["n"], row["difference"]) for row in rows] == [("b", 2, 0), ("a", 2, 0.5), ("c", 1, 1)]


def test_examples_are_bounded_and_counts_are_not():
    told = compare_outcomes(QUESTIONS, BEFORE, AFTER, examples=1)
    assert (len(told["wins"]), told["n_wins"]) == (1, 3)


def test_refusing_is_compared_where_there_are_questions_out_of_scope():
    questions = labelled("a", "b", "", "")
    before = outcomes("a", "b", "a", "b", confidence=[0.9, 0.2, 0.5, 0.1])
    after = outcomes("a", "b", "a", "b", confidence=[0.9, 0.8, 0.5, 0.1])
    measures = compare_outcomes(questions, before, after)["measures"]
    assert set(measures) == {"p_at_1", "auroc", "best_mcc"}
    assert (measures["auroc"]["before"], measures["auroc"]["after"]) == (0.75, 1.0)
    for name in ("auroc", "best_mcc"):
        low, high = measures[name]["interval"]
        assert low <= measures[name]["difference"] == measures[name]["after"] - measures[name]["before"] <= high


def test_measures_are_those_of_the_report():
    questions = labelled("a", "b", "c", "", "")
    run = outcomes("a", "c", "c", "b", "", confidence=[0.9, 0.6, 0.4, 0.5, 0.0])
    report = intent_report(questions, run, ["a", "b", "c"])
    measures = compare_outcomes(questions, run, run)["measures"]
    assert {name: row["before"] for name, row in measures.items()} == pytest.approx(
        {name: report[name] for name in ("p_at_1", "auroc", "best_mcc")}
    )


def test_without_a_question_in_scope_nothing_is_compared():
    told = compare_outcomes(labelled("", ""), outcomes("a", "a"), outcomes("b", "b"))
    assert (told["measures"], told["per_topic"], told["n_wins"]) == ({}, [], 0)
    assert json.dumps(told, allow_nan=False)


def test_with_several_seeds_a_question_counts_by_its_mean_over_them():
    questions = labelled("a", "b")
    told = compare_seeds(questions, [outcomes("b", "b")], [outcomes("a", "b"), outcomes("a", "a")])
    row = told["measures"]["p_at_1"]
    # Question 0 rises from 0 to 1, question 1 falls from 1 to one half.
    assert (row["before"], row["after"], row["difference"]) == (0.5, 0.75, 0.25)
    assert (told["n_wins"], told["n_losses"]) == (1, 1)
    assert told["losses"][0] == {"question": "q1", "gold": "b", "before": "b", "after": "b · a"}


def test_the_interval_over_seeds_is_of_the_questions():
    questions = labelled(*"ab" * 50)
    weak, strong = outcomes(*"a" * 100), outcomes(*"ab" * 50)
    one = compare_seeds(questions, [weak], [strong])
    several = compare_seeds(questions, [weak], [strong] * 3)
    assert several["measures"] == one["measures"]


@pytest.mark.parametrize(("before", "after"), [([], [AFTER]), ([BEFORE], [AFTER[:4]]), ([BEFORE], [])])
def test_outcomes_of_other_questions_are_refused(before, after):
    with pytest.raises(ValueError, match="5 outcomes before and after"):
        compare_seeds(QUESTIONS, before, after)


def test_every_figure_has_its_mean_spread_and_each_seed_s_value():
    report = {"n": 10, "p_at_1": 0.8, "latency_ms": {"p50": 4.0}, "intervals": {"p_at_1": [0.7, 0.9]}, "per_topic": []}
    found = mean_over_seeds([report, report | {"p_at_1": 0.9, "latency_ms": {"p50": 6.0}}])
    assert set(found) == {"n", "p_at_1", "latency_ms.p50"}
    assert found["p_at_1"]["values"] == [0.8, 0.9]
    assert found["p_at_1"]["mean"] == pytest.approx(0.85)
    assert found["p_at_1"]["sd"] == pytest.approx(0.05 * np.sqrt(2))
    assert found["latency_ms.p50"]["mean"] == 5.0


def test_a_figure_that_a_seed_lacks_is_left_out_and_one_seed_has_no_spread():
    assert set(mean_over_seeds([{"a": 1.0, "b": 2.0}, {"a": 1.0}])) == {"a"}
    assert mean_over_seeds([{"a": 1.0}]) == {"a": {"mean": 1.0, "sd": None, "values": [1.0]}}


def test_confidences_do_not_change_what_is_right():
    surer = [replace(each, confidence=0.99) for each in BEFORE]
    assert compare_outcomes(QUESTIONS, BEFORE, surer)["measures"]["p_at_1"]["difference"] == 0.0
