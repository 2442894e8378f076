import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.negatives import NONE, NegativesConfig, mine, same_answers

HARD = NegativesConfig(count=3, random_share=0.0)
NO_MARGIN = NegativesConfig(count=3, random_share=0.0, false_negative_margin=np.inf)


def one(similarities, right, config=HARD, **fields):
    """The negatives of one question."""
    return mine(np.array([similarities], dtype=np.float32), [right], config, **fields)[0].tolist()


def vectors(*rows):
    array = np.array(rows, dtype=np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def test_hard_negatives_are_the_most_similar_rows_that_are_not_right_hardest_first():
    assert one([0.1, 0.9, 0.7, 0.3, 0.8], {1}) == [4, 2, 3]


def test_rows_nearly_as_similar_as_the_right_one_are_left_out_as_likely_right():
    assert one([0.8, 0.79, 0.95, 0.75, 0.5, 0.4], {0}) == [3, 4, 5]


def test_without_a_margin_they_are_the_hardest():
    assert one([0.8, 0.79, 0.95, 0.75, 0.5, 0.4], {0}, NO_MARGIN) == [2, 1, 3]


def test_a_right_row_of_negative_similarity_has_its_margin_below():
    assert one([-0.4, -0.41, -0.43, -0.5, -0.9], {0}) == [2, 3, 4]


def test_the_margin_is_that_of_the_best_of_several_right_rows_and_none_of_them_is_taken():
    assert one([0.5, 0.9, 0.7, 0.6, 0.3], {0, 1}) == [2, 3, 4]


def test_ties_go_to_the_lower_row():
    assert one([0.9, 0.5, 0.5, 0.5, 0.5, 0.5], {0}) == [1, 2, 3]


def test_rows_whose_answer_is_nearly_that_of_a_right_row_are_left_out():
    answers = vectors([1, 0], [0, 1], [1, 0.05], [0.5, 1], [1, 1])
    assert one([0.9, 0.5, 0.8, 0.4, 0.3], {0}, answers=answers) == [1, 3, 4]


def test_rows_of_the_same_answer_text_are_left_out():
    groups = same_answers(["In 3 days.", "No.", "in 3 days", "", ""])
    assert groups.tolist() == [0, 1, 0, 2, 3]
    assert one([0.9, 0.5, 0.8, 0.4, 0.3], {0}, answer_groups=groups) == [1, 3, 4]


def test_the_first_ranks_of_wrong_rows_can_be_passed_over():
    config = NegativesConfig(count=2, random_share=0.0, skip=1)
    assert one([0.9, 0.5, 0.8, 0.4, 0.3], {0}, config) == [1, 3]


def test_a_share_is_drawn_at_random_behind_the_hard_ones():
    config = NegativesConfig(count=4, random_share=0.5)
    similarities = np.linspace(0.9, 0.1, 100, dtype=np.float32)[None]
    drawn = [mine(similarities, [{0}], NegativesConfig(count=4, random_share=0.5, seed=seed))[0] for seed in range(30)]
    assert mine(similarities, [{0}], config)[0].tolist() == drawn[0].tolist()
    assert len({tuple(each[:2]) for each in drawn}) == 1
    assert len({tuple(each[2:]) for each in drawn}) > 20
    assert all(len(set(each.tolist())) == 4 for each in drawn)


def test_random_ones_fill_up_where_hard_ones_are_wanting():
    # All that was found is too near; what was not found is drawn.
    def nearest(_):
        return np.array([0, 1, 2, -1]), np.array([0.9, 0.89, 0.88, 0.0], dtype=np.float32)

    negatives = mine(nearest, [{0}] * 5, HARD, row_count=6)
    assert all(sorted(each) == [3, 4, 5] for each in negatives.tolist())


def test_a_question_whose_right_row_was_not_found_gets_random_ones_only():
    def nearest(_):
        return np.array([1, 2, 3]), np.array([0.9, 0.8, 0.7], dtype=np.float32)

    negatives = mine(nearest, [{0}] * 40, HARD, row_count=1000)
    assert len(set(negatives.ravel().tolist())) > 80
    assert 0 not in negatives


def test_a_question_without_right_rows_gets_the_nearest_ones():
    assert one([0.5, 0.9, 0.7], set()) == [1, 2, 0]


def test_few_wrong_rows_come_again_in_turn():
    assert one([0.9, 0.5, 0.2], {0}) == [1, 2, 1]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_without_a_wrong_row_there_is_none(rows):
    assert one([0.5] * rows, set(range(rows))) == [NONE] * 3


def test_a_similarity_that_is_no_number_is_never_taken():
    assert one([0.9, np.nan, 0.5, -np.inf, np.inf, 0.4], {0}) == [2, 5, 2]
    assert one([np.nan] * 4, {0}) == [NONE] * 3
    assert one([np.nan, 0.5, 0.4, 0.3], {0}, NO_MARGIN) == [1, 2, 3]


@pytest.mark.parametrize(
    ("similarities", "right", "rows"),
    [
        (np.zeros((2, 3)), [{0}], None),
        (np.zeros(3), [{0}], None),
        (np.zeros((1, 3)), [{0}], 4),
        (lambda _: (), [{0}], None),
    ],
)
def test_shapes_that_do_not_fit_are_refused(similarities, right, rows):
    with pytest.raises(ValueError, match="expected"):
        mine(similarities, right, HARD, row_count=rows)


@given(
    st.integers(0, 2**32),
    st.integers(1, 12),
    st.integers(1, 30),
    st.integers(1, 6),
    st.floats(0, 1),
    st.integers(0, 3),
    st.sampled_from([0.9, 0.95, np.inf]),
)
def test_no_negative_is_right_or_too_near_and_a_function_gives_the_same_as_the_matrix(
    seed, questions, rows, count, random_share, skip, margin
):
    rng = np.random.default_rng(seed)
    similarities = rng.uniform(-1, 1, (questions, rows)).astype(np.float32)
    similarities[rng.random((questions, rows)) < 0.1] = np.nan
    right = [set(rng.integers(rows, size=rng.integers(0, 3)).tolist()) for _ in range(questions)]
    config = NegativesConfig(
        count=count, random_share=random_share, skip=skip, false_negative_margin=margin, seed=seed % 7
    )
    before = similarities.copy()
    mined = mine(similarities, right, config)
    assert mined.shape == (questions, count)
    assert np.array_equal(similarities, before, equal_nan=True)
    for question, negatives in enumerate(mined.tolist()):
        values, known = similarities[question], [similarities[question][row] for row in right[question]]
        best = np.nanmax(known) if known and not np.isnan(known).all() else None
        for row in set(negatives) - {NONE}:
            assert row not in right[question]
            assert not np.isnan(values[row])
            assert best is None or margin == np.inf or values[row] <= best - (1 - margin) * abs(best) + 1e-6

    def shuffled(question):
        order = np.random.default_rng(question).permutation(rows)
        return order, similarities[question][order]

    assert (mine(shuffled, right, config, row_count=rows) == mined).all()
