import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from kb.errors import InputError
from models.evaluate.pairs import (
    accuracy_at,
    average_precision,
    choose_threshold,
    f1_at,
    pair_report,
    precision_recall_at,
)

# By falling relevance: same, different, same, same, different.
RELEVANCE = np.array([0.2, 0.9, 0.7, 0.5, 0.4])
SAME = np.array([False, True, False, True, True])
# Few values, so that relevances are often equal.
PAIR = st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9]), st.booleans())
PAIRS = st.lists(PAIR, min_size=1, max_size=30)
BOTH = PAIRS.filter(lambda pairs: len({same for _, same in pairs}) == 2)


def arrays(pairs):
    relevance, same = zip(*pairs, strict=True)
    return np.array(relevance), np.array(same)


def test_measures_of_hand_worked_pairs():
    # From 0.5 on: .9 rightly, .7 wrongly, .5 rightly; .4 is missed.
    assert accuracy_at(0.5, RELEVANCE, SAME) == 3 / 5
    assert precision_recall_at(0.5, RELEVANCE, SAME) == (2 / 3, 2 / 3)
    assert f1_at(0.5, RELEVANCE, SAME) == pytest.approx(2 / 3)
    # Recall grows by a third each at .9, .5 and .4, with precisions 1, 2/3 and 3/4.
    assert average_precision(RELEVANCE, SAME) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_equal_relevances_are_one_step_of_average_precision():
    assert average_precision(np.array([0.5, 0.5, 0.5, 0.1]), np.array([True, False, False, True])) == pytest.approx(
        1 / 2 * 1 / 3 + 1 / 2 * 2 / 4
    )


def test_measures_that_are_not_defined():
    none = np.array([False, False])
    assert np.isnan(average_precision(np.array([0.1, 0.2]), none))
    assert precision_recall_at(0.5, np.array([0.1, 0.2]), none) == (0.0, 0.0)
    assert f1_at(0.5, np.array([0.1, 0.2]), none) == 0.0
    assert np.isnan(accuracy_at(0.5, np.array([]), np.array([], dtype=bool)))


@given(BOTH, st.sampled_from([0.05, 0.2, 0.6, 0.9, 0.95]))
def test_measures_are_those_of_scikit_learn(pairs, threshold):
    relevance, same = arrays(pairs)
    called = relevance >= threshold
    assert accuracy_at(threshold, relevance, same) == pytest.approx(metrics.accuracy_score(same, called))
    assert f1_at(threshold, relevance, same) == pytest.approx(metrics.f1_score(same, called, zero_division=0))
    assert precision_recall_at(threshold, relevance, same) == pytest.approx(
        (
            metrics.precision_score(same, called, zero_division=0),
            metrics.recall_score(same, called, zero_division=0),
        )
    )
    assert average_precision(relevance, same) == pytest.approx(metrics.average_precision_score(same, relevance))


def test_the_threshold_lies_half_way_between_the_values_that_it_parts():
    relevance, same = np.array([0.9, 0.7, 0.3, 0.1]), np.array([True, True, False, False])
    assert choose_threshold(relevance, same) == choose_threshold(relevance, same, "f1") == pytest.approx(0.5)


def test_accuracy_and_f1_may_want_different_thresholds():
    # Of five, one is the same and comes third: accuracy is best without it, F1 with it.
    relevance, same = np.array([0.9, 0.8, 0.7, 0.2, 0.1]), np.array([False, False, True, False, False])
    assert choose_threshold(relevance, same) > 0.9
    assert choose_threshold(relevance, same, "f1") == pytest.approx(0.45)


def test_the_threshold_may_call_every_pair_the_same():
    assert choose_threshold(np.array([0.9, 0.8, 0.1]), np.array([False, True, True])) == pytest.approx(0.1)


def test_between_neighbouring_numbers_the_threshold_is_the_upper_one():
    low = np.float64(0.5)
    high = np.nextafter(low, 1)
    assert choose_threshold(np.array([low, high]), np.array([False, True])) == high


@pytest.mark.parametrize("by", ["accuracy", "f1"])
@given(pairs=BOTH, single=st.booleans())
def test_no_threshold_is_better_on_the_pairs_it_was_chosen_on(by, pairs, single):
    relevance, same = arrays(pairs)
    relevance = relevance.astype(np.float32) if single else relevance
    measure = accuracy_at if by == "accuracy" else f1_at
    every = [measure(threshold, relevance, same) for threshold in [*np.unique(relevance), np.inf]]
    assert measure(choose_threshold(relevance, same, by), relevance, same) == pytest.approx(max(every))


@pytest.mark.parametrize(
    ("relevance", "same", "named"),
    [
        ([], [], "got no pair; name a file"),
        ([0.1, 0.2], [True, True], "got pairs that all mean the same"),
        ([0.1, 0.2], [False, False], "got none that do"),
        ([0.1, float("nan")], [True, False], "expected finite relevances; got 1 that are not"),
        ([0.1], [True, False], "expected a relevance for every pair; got 1 for 2"),
    ],
)
def test_pairs_that_nothing_can_be_told_of_are_refused(relevance, same, named):
    for call in (choose_threshold, lambda *given: pair_report(*given, 0.5)):
        with pytest.raises(InputError, match=named):
            call(np.array(relevance, dtype=float), np.array(same, dtype=bool))


def test_a_report_has_every_measure_at_the_given_threshold_and_an_interval_around_it():
    generator = np.random.default_rng(0)
    same = generator.random(300) < 0.3
    relevance = same * 0.3 + generator.random(300) * 0.7
    report = pair_report(relevance, same, 0.6)
    assert (report["n"], report["n_same"], report["threshold"]) == (300, int(same.sum()), 0.6)
    assert report["majority_accuracy"] == pytest.approx(1 - same.mean())
    assert report["auroc"] == pytest.approx(metrics.roc_auc_score(same, relevance))
    assert (report["precision"], report["recall"]) == precision_recall_at(0.6, relevance, same)
    assert set(report["intervals"]) == {"accuracy", "f1", "auroc", "average_precision"}
    for name, (low, high) in report["intervals"].items():
        assert low < report[name] < high
