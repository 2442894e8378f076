import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ties import BOUNDS, fit_sharpness, shares


def of(*relevance):
    return np.array(relevance, dtype=np.float32)


def test_shares_are_the_odds_to_the_power_of_the_sharpness():
    # Odds of 9 and 1/4: with sharpness 1 they share 9 : .25, with 1/2 their roots, 3 : .5.
    assert shares(of(0.9, 0.2), 1.0) == pytest.approx([9 / 9.25, 0.25 / 9.25], rel=1e-5)
    assert shares(of(0.9, 0.2), 0.5) == pytest.approx([3 / 3.5, 0.5 / 3.5], rel=1e-5)


@given(st.lists(st.floats(0, 1, width=32), max_size=20), st.floats(*BOUNDS))
def test_any_relevance_gives_shares_that_sum_to_1(relevance, sharpness):
    found = shares(of(*relevance), sharpness)
    assert found.sum() == pytest.approx(1.0 if relevance else 0.0, abs=1e-5)
    assert np.isfinite(found).all()


def test_the_fitted_sharpness_is_the_one_that_the_questions_were_drawn_with():
    rng = np.random.default_rng(0)
    questions = []
    for _ in range(4_000):
        relevance = rng.uniform(0.1, 0.9, 6).astype(np.float32)
        share = shares(relevance, 0.7).astype(np.float64)
        questions.append((relevance, int(rng.choice(6, p=share / share.sum()))))
    assert fit_sharpness(questions) == pytest.approx(0.7, abs=0.1)


def test_with_nothing_to_fit_on_odds_are_taken_as_they_are():
    assert fit_sharpness([]) == 1.0
    assert fit_sharpness([(of(0.8), 0)]) == 1.0
