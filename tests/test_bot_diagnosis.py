import json

import pytest

from bot.diagnosis import DiagnosisConfig, curves, diagnose, gold_of, rank_of, worst_answered, worst_refused
from bot.evaluation import Outcome
from bot.labelled import Labelled


def ask(question, right, ranking, confidence, answered=True):
    """A question, the letters of its right pairs, the letters ranked, and what the bot made of it."""
    return (
        Labelled(question=question, right=frozenset(right)),
        Outcome(ranking=tuple(ranking), confidence=confidence, answered=answered, threshold=0.5, latency_ms=1.0),
    )


ASKED = [
    ask("a1", "a", "abc", 0.95),
    ask("a2", "a", "bac", 0.9),
    ask("a3", "a", "bca", 0.7),
    ask("b1", "b", "bca", 0.3, answered=False),
    ask("b2", "b", "cab", 0.2, answered=False),
    ask("c1", "c", "cab", 0.8),
    ask("far", "", "abc", 0.85),
    ask("further", "", "abc", 0.1, answered=False),
]
QUESTIONS, OUTCOMES = (list(each) for each in zip(*ASKED, strict=True))


@pytest.fixture(scope="module")
def told():
    return diagnose(QUESTIONS, OUTCOMES)


def test_a_topic_is_measured_over_the_questions_in_scope_refused_or_not(told):
    rows = {row.pop("topic"): row for row in map(dict, told["per_topic"])}
    assert rows["b"] == {
        "n": 2,
        "recall": 0.5,
        "precision": 0.3333,
        "f1": 0.4,
        "answered": 0.0,
        "confused_with": "c",
        "confused_count": 1,
        "oos_answered": 0,
    }
    assert (rows["a"]["recall"], rows["a"]["precision"], rows["a"]["answered"]) == (0.3333, 1.0, 1.0)
    assert (rows["a"]["confused_with"], rows["a"]["confused_count"], rows["a"]["oos_answered"]) == ("b", 2, 1)
    assert rows["c"]["confused_with"] is None


def test_the_topics_that_are_worst_come_first(told):
    assert [row["topic"] for row in told["per_topic"]] == ["b", "a", "c"]


def test_confusions_hold_answers_to_what_is_out_of_scope_but_no_refusals_of_it(told):
    assert told["confusions"] == [
        {"gold": "a", "predicted": "b", "count": 2, "share": 0.6667},
        {"gold": "b", "predicted": "c", "count": 1, "share": 0.5},
        {"gold": "oos", "predicted": "a", "count": 1, "share": 0.5},
    ]


def test_the_worst_answers_are_the_surest_wrong_ones(told):
    assert [row["question"] for row in told["worst"]["wrong"]] == ["a2", "far", "a3"]
    assert told["worst"]["wrong"][0] == {
        "question": "a2",
        "gold": "a",
        "predicted": "b",
        "confidence": 0.9,
        "rank": 2,
    }
    assert told["worst"]["wrong"][1]["gold"] == "oos"
    assert told["worst"]["wrong"][1]["rank"] is None


def test_the_worst_refusals_are_of_right_answers(told):
    assert [(row["question"], row["rank"]) for row in told["worst"]["refused"]] == [("b1", 1), ("b2", 3)]


def test_lists_are_bounded():
    small = DiagnosisConfig(topics=1, confusions=1, worst=1, matrix=2, curve_points=3)
    told = diagnose(QUESTIONS, OUTCOMES, small)
    assert [len(told["per_topic"]), len(told["confusions"])] == [1, 1]
    assert [len(each) for each in told["worst"].values()] == [1, 1]
    drawn = curves(QUESTIONS, OUTCOMES, small)
    assert len(drawn["confusion_matrix"]["gold"]) == 2
    assert len(drawn["risk_coverage"]["in scope"]["risk"]) == 3
    assert worst_answered(QUESTIONS, OUTCOMES, 0) == worst_refused(QUESTIONS, OUTCOMES, 0) == []


def test_a_question_with_several_right_pairs_counts_for_the_one_found_first():
    question, outcome = ask("?", "bc", "acb", 0.5)
    assert (gold_of(question, outcome), rank_of(question, outcome)) == ("c", 2)
    question, outcome = ask("?", "yz", "acb", 0.5)
    assert (gold_of(question, outcome), rank_of(question, outcome)) == ("y", None)


def test_the_matrix_is_of_the_most_confused_topics():
    drawn = curves(QUESTIONS, OUTCOMES, DiagnosisConfig(matrix=2))["confusion_matrix"]
    # In wrong pairs: a three times, b three times, c once, oos once.
    assert drawn == {"gold": ["a", "b"], "predicted": ["a", "b"], "counts": [[1, 2, 0], [0, 1, 1]]}


def test_out_of_scope_is_a_row_of_the_matrix_and_no_column():
    drawn = curves(QUESTIONS, OUTCOMES)["confusion_matrix"]
    assert drawn["gold"] == ["a", "b", "c", "oos"]
    assert drawn["predicted"] == ["a", "b", "c"]
    assert drawn["counts"] == [[1, 2, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]]


def test_the_histogram_counts_every_question_once():
    drawn = curves(QUESTIONS, OUTCOMES, DiagnosisConfig(histogram_bins=2))["confidence"]
    assert drawn["edges"] == [0.0, 0.5, 1.0]
    # b1 was refused, and its first pair was right.
    assert (drawn["right"], drawn["wrong"], drawn["out_of_scope"]) == ([1, 2], [1, 2], [1, 1])
    assert drawn["threshold"] == 0.5


def test_curves_are_of_the_questions_in_scope_and_of_all():
    drawn = curves(QUESTIONS, OUTCOMES)
    assert set(drawn["reliability"]) == set(drawn["risk_coverage"]) == {"in scope", "all questions"}
    assert sum(drawn["reliability"]["in scope"]["count"]) == 6
    assert drawn["risk_coverage"]["in scope"]["risk"][-1] == 0.5
    assert drawn["risk_coverage"]["all questions"]["risk"][-1] == 5 / 8


def test_with_questions_of_one_kind_alone_there_is_one_curve_and_no_nan():
    for questions, outcomes in ((QUESTIONS[:6], OUTCOMES[:6]), (QUESTIONS[6:], OUTCOMES[6:])):
        document = diagnose(questions, outcomes) | curves(questions, outcomes)
        assert json.dumps(document, allow_nan=False)
        assert len(document["reliability"]) == 1
    assert document["per_topic"] == []


def test_a_topic_that_is_never_predicted_has_no_precision_in_json():
    told = diagnose(*zip(ask("?", "a", "b", 0.5), strict=True))
    assert told["per_topic"][0]["precision"] is None
    assert json.dumps(told, allow_nan=False)


def test_a_ranking_without_any_pair_is_no_topic_of_the_table():
    told = diagnose(*zip(ask("?", "a", "", 0.0, answered=False), strict=True))
    assert [row["topic"] for row in told["per_topic"]] == ["a"]
    assert told["worst"]["refused"][0]["predicted"] == ""
