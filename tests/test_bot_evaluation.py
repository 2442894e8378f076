import json

import numpy as np
import pytest
from fakes_bot import SHOP, bot_over

from bot.evaluation import Outcome, compare_retrieval, intent_report, latency, retrieval_report, run
from bot.labelled import Labelled
from kb.errors import MessageError

IDS = ["a", "b", "c"]


def labelled(*rights, question="?"):
    return [Labelled(question=question, right=frozenset(right)) for right in rights]


def outcome(ranking, confidence=0.9, answered=True, latency_ms=1.0):
    return Outcome(
        ranking=tuple(ranking), confidence=confidence, answered=answered, threshold=0.5, latency_ms=latency_ms
    )


def strict_json(document):
    """JSON as every reader takes it: without NaN."""
    return json.dumps(document, allow_nan=False)


# In scope: right and answered, right and refused, wrong and answered; out of scope: refused, answered.
QUESTIONS = labelled("a", "b", "c", "", "")
OUTCOMES = [
    outcome("abc", 0.9),
    outcome("bca", 0.4, answered=False),
    outcome("abc", 0.6),
    outcome("abc", 0.1, answered=False),
    outcome("cab", 0.7),
]


@pytest.fixture(scope="module")
def report():
    return intent_report(QUESTIONS, OUTCOMES, IDS)


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    return bot_over(tmp_path_factory.mktemp("bot"))


def test_counts_are_of_all_questions_and_of_those_in_scope(report):
    assert (report["n"], report["n_in_scope"]) == (5, 3)


def test_ranking_measures_are_of_the_questions_in_scope(report):
    assert report["p_at_1"] == report["in_scope_accuracy"] == pytest.approx(2 / 3)
    assert report["mrr"] == report["map"] == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert report["hit_at_20"] == 1.0
    assert report["in_scope_answered"] == pytest.approx(2 / 3)


def test_refusals_are_of_the_questions_out_of_scope(report):
    assert report["oos_recall"] == 0.5
    # In scope .9, .4 and .6 against .1 and .7: 4 of 6 comparisons are won.
    assert report["auroc"] == pytest.approx(4 / 6)


def test_mcc_at_the_threshold_is_of_what_the_bot_decided(report):
    # gold a b c - -, decided a - a - c: 2 right, Σ p t = 2·1 + 1·1 + 2·2, Σ p² = 9, Σ t² = 7.
    assert report["mcc_at_threshold"] == pytest.approx((2 * 5 - (2 * 1 + 1 * 1 + 2 * 2)) / np.sqrt((25 - 9) * (25 - 7)))
    assert report["best_mcc"] >= report["mcc_at_threshold"]
    assert report["threshold"] == 0.5


def test_every_measure_has_an_interval_around_it(report):
    measures = set(report) - {"n", "n_in_scope", "threshold", "latency_ms", "intervals"}
    assert set(report["intervals"]) == measures
    for name, (low, high) in report["intervals"].items():
        assert low - 1e-4 <= report[name] <= high + 1e-4


def test_the_report_has_the_keys_that_are_promised(report):
    promised = {"n", "p_at_1", "mrr", "hit_at_20", "map", "in_scope_accuracy", "oos_recall", "auroc", "best_mcc"}
    assert promised | {"mcc_at_threshold", "latency_ms", "intervals"} <= set(report)
    assert set(report["latency_ms"]) == {"p50", "p95"}


def test_without_a_question_out_of_scope_there_are_no_refusals_to_measure():
    report = intent_report(QUESTIONS[:3], OUTCOMES[:3], IDS)
    assert not {"oos_recall", "auroc", "best_mcc", "mcc_at_threshold"} & set(report)
    assert strict_json(report)


def test_without_a_question_in_scope_there_is_no_ranking_to_measure_and_no_nan():
    report = intent_report(QUESTIONS[3:], OUTCOMES[3:], IDS)
    assert not {"p_at_1", "mrr", "auroc"} & set(report)
    assert report["oos_recall"] == 0.5
    assert strict_json(report)


def test_a_ranking_without_any_pair_counts_as_wrong():
    report = intent_report(labelled("a", ""), [outcome("", 0.0, answered=False)] * 2, IDS)
    assert (report["p_at_1"], report["mrr"], report["oos_recall"]) == (0.0, 0.0, 1.0)
    assert strict_json(report)


def test_a_retrieval_report_is_of_all_questions():
    report = retrieval_report(labelled("a", "bc"), [outcome("abc"), outcome("abc")])
    assert (report["n"], report["p_at_1"], report["mrr"]) == (2, 0.5, 0.75)
    assert report["map"] == pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2)
    assert set(report["intervals"]) == {"p_at_1", "mrr", "hit_at_20", "map"}


def test_latency_is_the_median_and_the_95th_percentile():
    outcomes = [outcome("a", latency_ms=float(ms)) for ms in range(101)]
    assert latency(outcomes) == {"p50": 50.0, "p95": 95.0}


def test_the_bot_is_asked_every_question_in_order_and_measured_as_it_answers(bot):
    questions = [*(Labelled(question=each.question, right=frozenset({each.pair_id})) for each in SHOP)]
    told = []
    outcomes = run(bot, questions, lambda done, total: told.append((done, total)))
    assert [each.ranking[0] for each in outcomes] == [each.pair_id for each in SHOP]
    assert all(each.answered and each.latency_ms > 0 for each in outcomes)
    assert [each.confidence for each in outcomes] == [bot.answer(each.question).confidence for each in SHOP]
    assert told == [(done, len(SHOP)) for done in range(1, len(SHOP) + 1)]


def test_a_refusal_is_an_outcome_with_a_ranking_all_the_same(bot):
    (refused,) = run(bot, [Labelled(question="is it raining in lisbon", right=frozenset())])
    assert not refused.answered
    assert len(refused.ranking) == len(SHOP)
    assert refused.confidence < refused.threshold


def test_a_question_with_nothing_to_read_is_an_error(bot):
    with pytest.raises(MessageError):
        run(bot, [Labelled(question="\x00", right=frozenset())])


def test_fusion_is_compared_with_embeddings_alone_and_bm25_alone_on_the_same_questions(bot):
    questions = [Labelled(question=each.question, right=frozenset({each.pair_id})) for each in SHOP]
    report = compare_retrieval(bot, questions, run(bot, questions))
    assert set(report) == {"embeddings_alone", "bm25_alone"}
    for each in report.values():
        assert each["p_at_1"] == each["hit_at_20"] == 1.0
        assert each["fusion_minus_this_p_at_1"] == [0.0, 0.0, 0.0]


def test_bm25_alone_knows_words_alone(bot):
    questions = [Labelled(question="xyzzy", right=frozenset({SHOP[-1].pair_id}))]
    report = compare_retrieval(bot, questions, run(bot, questions))
    assert report["bm25_alone"]["p_at_1"] == 0.0
