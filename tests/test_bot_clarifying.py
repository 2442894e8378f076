import numpy as np
import pytest

from bot.clarifying import ClarifyingConfig, NearTies

APART = np.eye(6, dtype=np.float32)


def asked(relevance, vectors=APART, sharpness=1.0, **config):
    found = np.array(relevance, dtype=np.float32)
    return NearTies(sharpness, 0.9, ClarifyingConfig(**config)).among(found, vectors[: len(found)])


def test_a_clear_best_answer_is_not_asked_about():
    assert asked([0.95, 0.3, 0.1]) == []


def test_near_ties_are_options_until_most_of_what_may_be_meant_is_covered():
    assert asked([0.6, 0.55, 0.05, 0.01]) == [0, 1]
    assert asked([0.6, 0.55, 0.5, 0.01]) == [0, 1, 2]
    assert asked([0.6, 0.6, 0.6, 0.6, 0.6, 0.6]) == [0, 1, 2, 3]
    assert asked([0.6, 0.6, 0.6, 0.6], options=2) == [0, 1]


def test_the_sharper_the_less_is_asked():
    assert asked([0.7, 0.5, 0.2], sharpness=0.5) == [0, 1, 2]
    assert asked([0.7, 0.5, 0.2], sharpness=3.0) == []


def test_questions_that_say_the_same_are_one_option_with_their_shares_together():
    vectors = APART.copy()
    vectors[1] = vectors[0]
    assert asked([0.6, 0.55, 0.3], vectors) == []
    # The second and third are one: together they are likelier than the first.
    vectors[1], vectors[2] = APART[3], APART[3]
    assert asked([0.6, 0.55, 0.55], vectors) == [1, 0]


@pytest.mark.parametrize("relevance", [[], [0.5]])
def test_there_is_no_choice_of_less_than_two(relevance):
    assert asked(relevance) == []


def test_asking_back_can_be_switched_off():
    assert asked([0.5, 0.5], below=0.0) == []
