import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.fusion import best_of, fold, relative

NONE = -np.inf
cosines = st.floats(-1, 1, width=32)
groups = st.lists(st.lists(cosines, min_size=1, max_size=5), min_size=1, max_size=6)


def folded(values, rows, count, temperature=1.0, size_discount=0.0):
    found = np.array(values, dtype=np.float32), np.array(rows, dtype=np.int64)
    return fold(*found, count, temperature=temperature, size_discount=size_discount)


def flat(some):
    return [value for values in some for value in values], [row for row, values in enumerate(some) for _ in values]


def test_the_sum_of_two_equal_entries_adds_temperature_times_log_two():
    assert folded([0.5, 0.5], [0, 0], 1, temperature=0.1) == pytest.approx([0.5 + 0.1 * 0.693147], abs=1e-6)


def test_the_mean_of_two_equal_entries_is_either():
    assert folded([0.5, 0.5], [0, 0], 1, temperature=0.1, size_discount=1) == pytest.approx([0.5], abs=1e-6)


def test_two_different_entries_fold_to_the_number_worked_by_hand():
    # e^1 = 2.71828 and e^0 = 1: log 3.71828 = 1.31326; less half of log 2 = 0.69315.
    assert folded([1.0, 0.0], [0, 0], 1, size_discount=0.5) == pytest.approx([1.31326 - 0.34657], abs=1e-5)


def test_each_pair_folds_its_own_entries_whatever_their_order():
    assert folded([0.25, 0.5, 0.75], [2, 0, 1], 3) == pytest.approx([0.5, 0.75, 0.25], abs=1e-6)


def test_an_entry_that_is_not_to_count_adds_nothing():
    assert folded([0.5, NONE], [0, 0], 1) == pytest.approx([0.5], abs=1e-6)


def test_a_pair_of_which_no_entry_counts_or_that_has_none_is_minus_infinity():
    assert folded([NONE, NONE, 0.5], [0, 0, 2], 3).tolist() == [NONE, NONE, 0.5]


def test_no_temperature_is_too_low():
    found = folded([0.9, -0.9, -1.0, -1.0], [0, 0, 1, 1], 2, temperature=1e-6)
    assert found == pytest.approx([0.9, -1.0], abs=1e-5)


def test_nothing_folds_to_nothing():
    assert folded([], [], 0).shape == (0,)


@given(groups, st.floats(0.01, 1), st.floats(0, 1))
def test_a_fold_lies_between_the_discounted_maximum_and_the_sum(some, temperature, size_discount):
    found = folded(*flat(some), len(some), temperature=temperature, size_discount=size_discount)
    for value, values in zip(found, some, strict=True):
        size = temperature * np.log(len(values))
        assert max(values) - size_discount * size - 1e-5 <= value <= max(values) + (1 - size_discount) * size + 1e-5


@given(groups, st.floats(0.01, 1))
def test_a_fold_grows_with_every_entry(some, temperature):
    raised = [[value + 0.25 for value in values] for values in some]
    before, after = (folded(*flat(each), len(some), temperature=temperature) for each in (some, raised))
    np.testing.assert_allclose(after, before + 0.25, atol=1e-5)


@given(groups, st.randoms())
def test_the_order_of_the_entries_makes_no_difference(some, random):
    values, rows = flat(some)
    order = list(range(len(values)))
    random.shuffle(order)
    shuffled = folded([values[at] for at in order], [rows[at] for at in order], len(some))
    np.testing.assert_allclose(shuffled, folded(values, rows, len(some)), atol=1e-5)


def test_best_of_is_the_highest_value_of_each_pair():
    found = best_of(np.array([3, 1, 2, 5], dtype=np.float32), np.array([0, 0, 2, 2]), 4, empty=0.0)
    assert found.tolist() == [3, 0, 5, 0]


@given(groups)
def test_best_of_agrees_with_the_maximum(some):
    values, rows = flat(some)
    found = best_of(np.array(values, dtype=np.float32), np.array(rows), len(some), empty=NONE)
    assert found.tolist() == [max(each) for each in some]


def test_relative_gives_shares_of_the_best():
    assert relative(np.array([1, 4, 0, 2], dtype=np.float32)).tolist() == [0.25, 1, 0, 0.5]


@pytest.mark.parametrize("values", [[], [0.0, 0.0]])
def test_relative_is_zero_where_nothing_hits(values):
    assert relative(np.array(values, dtype=np.float32)).tolist() == values


# Half of the smallest subnormal number is 0 in float32: of those there is no scale to forget.
@given(
    st.lists(st.floats(0, 50, width=32, allow_subnormal=False), min_size=1, max_size=8),
    st.sampled_from([0.5, 2.0, 4.0]),
)
def test_relative_forgets_the_scale(values, factor):
    one = np.array(values, dtype=np.float32)
    np.testing.assert_allclose(relative(one), relative(one * np.float32(factor)), rtol=1e-5)
