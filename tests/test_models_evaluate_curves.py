import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve

from models.evaluate.reliability import reliability, share_interval
from models.evaluate.risk_coverage import risk_coverage

# Few values, so that confidences are often equal.
ANSWERS = st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.6, 0.8]), st.booleans()), min_size=1, max_size=40)


def split(answers):
    confidence, right = zip(*answers, strict=True)
    return np.array(confidence), np.array(right)


def test_bins_of_a_hand_worked_case():
    found = reliability(np.array([0.9, 0.1, 0.2, 0.7]), np.array([True, False, True, True]), bins=2)
    assert found.confidence == pytest.approx([0.15, 0.8])
    assert found.accuracy == pytest.approx([0.5, 1.0])
    assert found.count.tolist() == [2, 2]
    assert found.ece == pytest.approx((2 * 0.35 + 2 * 0.2) / 4)


def test_bins_are_those_of_scikit_learn_where_no_confidences_are_equal():
    random = np.random.default_rng(0)
    confidence = random.random(200)
    right = random.random(200) < confidence
    accuracy, mean = calibration_curve(right, confidence, n_bins=10, strategy="quantile")
    found = reliability(confidence, right)
    assert (found.accuracy, found.confidence) == (pytest.approx(accuracy), pytest.approx(mean))
    assert found.count.tolist() == [20] * 10


@given(ANSWERS, st.randoms())
def test_bins_hold_every_question_once_and_do_not_depend_on_their_order(answers, random):
    found = reliability(*split(answers))
    random.shuffle(answers)
    again = reliability(*split(answers))
    assert found.count.sum() == len(answers)
    assert (found.count > 0).all()
    assert (np.diff(found.confidence) > 0).all()
    assert again.accuracy == pytest.approx(found.accuracy)


@pytest.mark.parametrize(("right", "count"), [(8, 10), (0, 5), (5, 5), (1, 300)])
def test_a_share_s_interval_is_wilson_s(right, count):
    low, high = share_interval(np.array([right / count]), np.array([count]))
    theirs = binomtest(right, count).proportion_ci(method="wilson")
    assert (low[0], high[0]) == (pytest.approx(theirs.low, abs=1e-6), pytest.approx(theirs.high, abs=1e-6))


def test_the_risk_curve_of_a_hand_worked_case():
    curve = risk_coverage(np.array([0.9, 0.5, 0.7, 0.7]), np.array([True, False, False, True]))
    # Equal confidences are answered together.
    assert curve.threshold.tolist() == [0.9, 0.7, 0.5]
    assert curve.coverage == pytest.approx([1 / 4, 3 / 4, 1])
    assert curve.risk == pytest.approx([0, 1 / 3, 2 / 4])
    assert curve.aurc == pytest.approx(0 / 4 + (1 / 3) * (2 / 4) + (2 / 4) * (1 / 4))


def test_the_area_is_the_mean_risk_over_all_coverages_where_no_confidences_are_equal():
    right = np.array([True, True, False, True, False])
    curve = risk_coverage(np.linspace(1, 0, 5), right)
    assert curve.aurc == pytest.approx(np.mean([0, 0, 1 / 3, 1 / 4, 2 / 5]))


@given(ANSWERS)
def test_at_full_coverage_the_risk_is_the_share_of_wrong_answers(answers):
    confidence, right = split(answers)
    curve = risk_coverage(confidence, right)
    assert curve.coverage[-1] == 1.0
    assert curve.risk[-1] == pytest.approx(1 - right.mean())
