import numpy as np
import pytest

from kb.errors import InputError
from models.dial import lower_bound, turned_to


def drawn(rng, count):
    """Return confidences that are true: an answer is right with this probability."""
    confidence = rng.uniform(0.5, 1.0, count).astype(np.float32)
    return confidence, rng.random(count) < confidence


def test_the_bound_is_the_one_of_the_tables():
    # Clopper & Pearson: 0 of 10, 10 of 10 and 18 of 20, one-sided 95 %.
    assert lower_bound(0, 10, 0.05) == 0.0
    assert lower_bound(10, 10, 0.05) == pytest.approx(0.05 ** (1 / 10))
    assert lower_bound(18, 20, 0.05) == pytest.approx(0.7174, abs=1e-4)


@pytest.mark.parametrize("target", [0.8, 0.9])
def test_the_promise_is_kept_on_other_questions(target):
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(200):
        dial = turned_to(target, *drawn(rng, 600))
        confidence, right = drawn(rng, 600)
        answered = confidence >= dial.threshold
        kept.append(not answered.any() or right[answered].mean() >= target)
    assert np.mean(kept) >= 0.95


def test_more_is_answered_where_less_is_promised():
    confidence, right = drawn(np.random.default_rng(1), 4_000)
    dials = [turned_to(target, confidence, right) for target in (0.75, 0.85, 0.95)]
    assert all(dial.supported for dial in dials)
    assert dials[0].coverage > dials[1].coverage > dials[2].coverage > 0
    for dial in dials:
        answered = confidence >= dial.threshold
        assert dial.coverage == pytest.approx(answered.mean())
        assert dial.accuracy == pytest.approx(right[answered].mean())
        assert dial.target <= dial.accuracy_low <= dial.accuracy
        assert dial.coverage_low < dial.coverage


def test_questions_that_are_too_few_or_too_often_wrong_support_nothing():
    few = turned_to(0.95, np.linspace(0.9, 1, 40, dtype=np.float32), np.ones(40, dtype=bool))
    wrong = turned_to(0.95, np.linspace(0, 1, 4_000, dtype=np.float32), np.zeros(4_000, dtype=bool))
    none = turned_to(0.95, np.empty(0, dtype=np.float32), np.empty(0, dtype=bool))
    for dial in (few, wrong, none):
        assert not dial.supported
        assert dial.threshold > 1
        assert dial.coverage == 0


def test_equal_confidences_are_answered_together():
    confidence = np.repeat(np.array([0.9, 0.5], dtype=np.float32), 500)
    right = np.repeat([True, False], 500)
    dial = turned_to(0.9, confidence, right)
    assert dial.threshold == pytest.approx(0.9)
    assert dial.coverage == pytest.approx(0.5)


@pytest.mark.parametrize("target", [0.0, 1.0, 95.0, -0.1])
def test_a_target_that_is_no_share_is_refused(target):
    with pytest.raises(InputError, match="a share of right answers"):
        turned_to(target, np.ones(3, dtype=np.float32), np.ones(3, dtype=bool))
