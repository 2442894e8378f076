import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from models.evaluate.bootstrap import bootstrap_interval, mean_interval, paired_difference
from models.evaluate.ranking import average_precision, hit_at, precision_at_1, reciprocal_rank
from models.evaluate.refusal import OUT_OF_SCOPE, auroc, best_mcc, mcc, mcc_at

IDS = [f"p{at}" for at in range(8)]
RANKINGS = st.permutations(IDS).flatmap(lambda ids: st.integers(0, len(ids)).map(lambda size: ids[:size]))
RIGHT = st.sets(st.sampled_from(IDS), min_size=1)
# Few values, so that confidences are often equal.
QUESTION = st.tuples(st.integers(-1, 3), st.integers(0, 3), st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9]))
QUESTIONS = st.lists(QUESTION, min_size=1, max_size=30)


def arrays(questions):
    gold, predicted, confidence = zip(*questions, strict=True)
    return np.array(gold), np.array(predicted), np.array(confidence)


def test_ranking_measures_of_a_hand_worked_ranking():
    ranking, right = ["a", "b", "c", "d"], {"b", "d", "z"}
    assert precision_at_1(ranking, right) == 0.0
    assert reciprocal_rank(ranking, right) == 1 / 2
    assert [hit_at(k, ranking, right) for k in (1, 2, 4)] == [0.0, 1.0, 1.0]
    assert average_precision(ranking, right) == pytest.approx((1 / 2 + 2 / 4 + 0) / 3)


def test_ranking_measures_of_a_right_first_id():
    assert precision_at_1(["a", "b"], {"a"}) == reciprocal_rank(["a"], {"a"}) == average_precision(["a"], {"a"}) == 1.0


@pytest.mark.parametrize(("ranking", "right"), [([], {"a"}), (["b"], {"a"}), ([], set()), (["a"], set())])
def test_ranking_measures_are_0_without_a_right_id(ranking, right):
    found = [precision_at_1(ranking, right), reciprocal_rank(ranking, right), hit_at(20, ranking, right)]
    assert [*found, average_precision(ranking, right)] == [0.0] * 4


@given(RANKINGS.filter(bool), RIGHT)
def test_ranking_measures_are_those_of_ir_measures(ranking, right):
    qrels = [ir_measures.Qrel("q", each, 1) for each in sorted(right)]
    run = [ir_measures.ScoredDoc("q", each, float(-rank)) for rank, each in enumerate(ranking)]
    measures = [ir_measures.P @ 1, ir_measures.RR, ir_measures.Success @ 3, ir_measures.AP]
    theirs = ir_measures.calc_aggregate(measures, qrels, run)
    ours = [
        precision_at_1(ranking, right),
        reciprocal_rank(ranking, right),
        hit_at(3, ranking, right),
        average_precision(ranking, right),
    ]
    assert ours == pytest.approx([theirs[measure] for measure in measures])


def test_auroc_of_hand_worked_confidences():
    # Of the 2 · 2 comparisons, 2 are won and 1 is a tie.
    confidence, in_scope = np.array([0.9, 0.5, 0.5, 0.7]), np.array([True, True, False, False])
    assert auroc(confidence, in_scope) == (2 + 0.5) / 4


@given(QUESTIONS)
def test_auroc_is_that_of_scikit_learn(questions):
    gold, _, confidence = arrays(questions)
    in_scope = gold >= 0
    if in_scope.all() or not in_scope.any():
        assert np.isnan(auroc(confidence, in_scope))
    else:
        assert auroc(confidence, in_scope) == pytest.approx(roc_auc_score(in_scope, confidence))


def test_mcc_of_a_hand_worked_table():
    # 4 right of 6; predicted 3 + 3, gold 3 + 3: (4·6 - 18) / sqrt(18 · 18).
    gold, predicted = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1, 0])
    assert mcc(gold, predicted) == pytest.approx((4 * 6 - 18) / 18)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(QUESTIONS)
def test_mcc_is_that_of_scikit_learn(questions):
    gold, predicted, _ = arrays(questions)
    assert mcc(gold, predicted) == pytest.approx(matthews_corrcoef(gold, predicted), abs=1e-12)


def test_below_the_threshold_a_prediction_is_a_refusal_and_at_it_an_answer():
    gold, predicted, confidence = np.array([0, 1, OUT_OF_SCOPE]), np.array([0, 1, 1]), np.array([0.9, 0.5, 0.4])
    assert mcc_at(0.5, gold, predicted, confidence) == 1.0
    assert mcc_at(0.6, gold, predicted, confidence) < 1.0


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=300)
@given(QUESTIONS)
def test_best_mcc_is_the_best_of_all_thresholds_by_brute_force(questions):
    gold, predicted, confidence = arrays(questions)
    thresholds = [*np.unique(confidence), np.inf]
    every = [
        matthews_corrcoef(gold, np.where(confidence >= threshold, predicted, OUT_OF_SCOPE)) for threshold in thresholds
    ]
    assert best_mcc(gold, predicted, confidence) == pytest.approx(max(*every, 0.0), abs=1e-9)


def test_best_mcc_of_an_ideal_confidence_is_1():
    gold = np.array([0, 1, 2, OUT_OF_SCOPE, OUT_OF_SCOPE])
    assert best_mcc(gold, np.array([0, 1, 2, 1, 0]), np.array([0.9, 0.8, 0.7, 0.3, 0.2])) == pytest.approx(1.0)


def test_an_interval_of_equal_values_is_that_value():
    assert mean_interval(np.full(20, 0.25)) == (0.25, 0.25)


def test_an_interval_holds_the_mean_and_narrows_with_more_questions():
    values = (np.arange(2_000) % 4 == 0).astype(float)
    few, many = mean_interval(values[:100]), mean_interval(values)
    assert few[0] < few[1]
    assert many[0] < 0.25 < many[1]
    assert many[1] - many[0] < (few[1] - few[0]) / 2


def test_an_interval_is_as_wide_as_the_standard_error_says():
    values = (np.arange(400) % 2).astype(float)
    low, high = mean_interval(values)
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(400), rel=0.1)


def test_an_interval_is_the_same_for_the_same_seed():
    values = np.random.default_rng(0).random(50)
    assert mean_interval(values, seed=1) == mean_interval(values, seed=1) != mean_interval(values, seed=2)


def test_a_resample_without_a_value_is_left_out():
    low, high = bootstrap_interval(lambda at: float("nan") if at[0] else 1.0, 4)
    assert (low, high) == (1.0, 1.0)


def test_a_measure_without_any_value_has_no_interval():
    assert np.isnan(bootstrap_interval(lambda at: float("nan"), 4)).all()


def test_a_paired_difference_is_of_the_same_questions():
    theirs = np.random.default_rng(0).random(100)
    mean, low, high = paired_difference(theirs + 0.1, theirs)
    assert (mean, low, high) == pytest.approx((0.1, 0.1, 0.1))
