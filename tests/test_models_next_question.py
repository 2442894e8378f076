import numpy as np
import pytest

from models.next_question import NextQuestionConfig, Step, fit_next

AXES = np.eye(4, dtype=np.float32)
CONFIG = NextQuestionConfig(folds=2)


def talk(*rows, said=None):
    """A conversation that asks one pair a turn; `said` has the vector of each turn."""
    return [Step(rows=(row,), vector=None if said is None else said[at]) for at, row in enumerate(rows)]


def test_without_a_conversation_what_is_popular_is_next():
    model = fit_next([talk(0, 1), talk(2, 1), talk(0, 3)], AXES, CONFIG)
    assert int(model.probabilities([]).argmax()) == 1


def test_what_followed_is_next_by_hand_worked_backing_off():
    # After 0 came 1 twice and 2 once: two kinds in three. Popular: 1, 2 and 3 have 2, 1 and 1 of 4, and each 1/4 more.
    model = fit_next([talk(0, 1), talk(0, 1), talk(0, 2), talk(1, 3)], AXES, CONFIG)
    popular = np.array([0.25, 2.25, 1.25, 1.25]) / 5
    expected = (2 * popular + np.array([0, 2, 1, 0])) / (3 + 2)
    assert model.parts.first_order(0) == pytest.approx(expected)
    assert model.parts.first_order(3) == pytest.approx(popular)


def test_two_pairs_before_tell_more_than_one():
    model = fit_next([talk(0, 1, 2), talk(0, 1, 2), talk(3, 1, 0), talk(3, 1, 0)], AXES, CONFIG)
    _, followed, _, _ = model.parts.of(talk(0, 1))
    _, other, _, _ = model.parts.of(talk(3, 1))
    assert (int(followed.argmax()), int(other.argmax())) == (2, 0)


def test_a_pair_that_nobody_asked_before_has_the_followers_of_those_like_it():
    near = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.98, 0.2, 0]], dtype=np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    model = fit_next([talk(0, 2)] * 3 + [talk(1, 0)] * 3, near, CONFIG)
    _, _, similar, _ = model.parts.of(talk(3))
    assert int(similar.argmax()) == 2


def test_words_tell_what_pairs_do_not_where_there_are_turns_enough():
    rng = np.random.default_rng(0)
    conversations = []
    for _ in range(60):
        kind = int(rng.integers(0, 2))
        vector = AXES[kind] + 0.1 * rng.normal(size=4).astype(np.float32)
        conversations.append(talk(0, 2 + kind, said=[vector, AXES[3]]))
    model = fit_next(conversations, AXES, NextQuestionConfig(folds=2, fewest_turns=20))
    assert model.weights[3] > 0.5
    for kind in (0, 1):
        assert int(model.probabilities(talk(0, said=[AXES[kind]])).argmax()) == 2 + kind
    few = fit_next(conversations[:5], AXES, NextQuestionConfig(folds=2, fewest_turns=20))
    _, followed, _, words = few.parts.of(talk(0, said=[AXES[0]]))
    assert (words == followed).all()


def test_probabilities_sum_to_1_whatever_was_asked():
    model = fit_next([talk(0, 1, 2), talk(2, 3), talk(1, 1)], AXES, CONFIG)
    for steps in ([], talk(0), talk(2, 0), talk(9), talk(9, 8), [Step(rows=(1, 3))]):
        found = model.probabilities(steps)
        assert found.sum() == pytest.approx(1.0)
        assert (found > 0).all()


def test_a_turn_that_asks_several_things_counts_for_each():
    model = fit_next([[Step(rows=(0,)), Step(rows=(1, 2))]] * 4, AXES, CONFIG)
    assert set(np.argsort(-model.probabilities(talk(0)))[:2].tolist()) == {1, 2}


def test_no_history_and_a_single_pair_are_no_trouble_and_no_pair_is_an_error():
    assert fit_next([], AXES).probabilities(talk(0)) == pytest.approx(np.full(4, 0.25))
    assert fit_next([talk(0, 0)], AXES[:1]).probabilities(talk(0)) == pytest.approx([1.0])
    with pytest.raises(ValueError, match="one pair or more"):
        fit_next([], AXES[:0])


def test_the_same_conversations_give_the_same_model():
    conversations = [talk(0, 1, 2), talk(2, 3), talk(1, 0), talk(3, 2), talk(0, 1)]
    first, second = (fit_next(conversations, AXES, CONFIG) for _ in range(2))
    assert (first.probabilities(talk(0)) == second.probabilities(talk(0))).all()
    assert first.weights.sum() == pytest.approx(1.0)
