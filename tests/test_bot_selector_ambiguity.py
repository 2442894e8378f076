import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.selector.ambiguity import ambiguity

RELEVANCE = st.lists(st.floats(0.01, 0.99), min_size=2, max_size=12)


def of(*relevance, topics=None, sharpness=1.0):
    return ambiguity(np.array(relevance, dtype=np.float32), topics or [""] * len(relevance), sharpness)


def test_a_certain_question_is_not_ambiguous_and_one_that_may_mean_anything_is_all():
    assert of(1.0, 0.0, 0.0) == pytest.approx(0.0, abs=1e-4)
    assert of(0.5, 0.5, 0.5) == pytest.approx(1.0)
    assert of(0.5, 0.5, 0.5, topics=["a", "b", "c"]) == pytest.approx(1.0)


def test_hand_worked_shares():
    # Odds 3 and 1: shares .75 and .25, entropy .5623 of log 2 = .6931.
    assert of(0.75, 0.5) == pytest.approx(0.5623 / 0.6931, abs=1e-3)
    # Of one topic each the same twice; all of one topic: the topics say nothing.
    assert of(0.75, 0.5, topics=["a", "b"]) == pytest.approx(0.5623 / 0.6931, abs=1e-3)
    assert of(0.75, 0.5, topics=["a", "a"]) == pytest.approx(0.5623 / 0.6931, abs=1e-3)


def test_near_ties_within_a_topic_are_less_ambiguous_than_between_topics():
    within = of(0.6, 0.6, 0.01, topics=["a", "a", "b"])
    between = of(0.6, 0.6, 0.01, topics=["a", "b", "b"])
    assert within < between


def test_nothing_to_choose_from_is_not_ambiguous():
    assert of() == of(0.4) == 0.0


@given(RELEVANCE, st.floats(0.05, 5.0))
def test_it_is_a_share(relevance, sharpness):
    topics = [str(at % 3) for at in range(len(relevance))]
    assert -1e-9 <= of(*relevance, topics=topics, sharpness=sharpness) <= 1 + 1e-6


@given(st.floats(0.5, 0.98), st.floats(0.001, 0.01))
def test_the_surer_the_best_one_is_the_less_ambiguous(best, more):
    assert of(best + more, 0.5, 0.5) <= of(best, 0.5, 0.5) + 1e-6
