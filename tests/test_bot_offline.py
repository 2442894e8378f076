"""Off-policy estimates against numbers worked by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bot.offline import METHODS, Logged, OfflineConfig, Target, along_lists, compare, estimate, importance_weights

ROWS = np.arange(4)
# Weights 2, 1, 4, 1.
LOGGED = Logged(
    reward=np.array([1.0, 0.0, 0.0, 1.0]),
    propensity=np.array([0.5, 1.0, 0.25, 0.5]),
    conversation=ROWS,
    predicted=np.full(4, 0.5),
)
TARGET = Target(probability=np.array([1.0, 1.0, 1.0, 0.5]), predicted=np.array([0.5, 0.25, 0.75, 0.5]))


def warnings(logged, target, **config):
    return " ".join(estimate(logged, target, config=OfflineConfig(**config))[1].warnings)


def many(rows=1000, seed=0):
    """A log of one slot that shows one of two things with probability 0.25, 0.75; the first one is clicked more."""
    generator = np.random.default_rng(seed)
    is_first = generator.random(rows) < 0.25
    reward = (generator.random(rows) < np.where(is_first, 0.6, 0.2)).astype(float)
    logged = Logged(reward=reward, propensity=np.where(is_first, 0.25, 0.75), conversation=np.arange(rows))
    return logged, Target(probability=is_first.astype(float)), Target(probability=1.0 - is_first)


@pytest.mark.parametrize(
    ("method", "value", "standard_error"),
    [
        # (2 + 0 + 0 + 1) / 4; of 2, 0, 0, 1 the standard deviation is √(2.75 / 3).
        ("ips", 0.75, np.sqrt(2.75 / 3) / 2),
        # 3 / 8; u = (w r - 0.375 w) / 2 = 0.625, -0.1875, -0.75, 0.3125.
        ("snips", 0.375, np.sqrt(1.0859375 / 3) / 2),
        # 0.5, 0.25, 0.75, 0.5 plus 2 · 0.5, 1 · -0.5, 4 · -0.5, 1 · 0.5: 1.5, -0.25, -1.25, 1.
        ("dr", 0.25, np.sqrt((1.25**2 + 0.5**2 + 1.5**2 + 0.75**2) / 3) / 2),
    ],
)
def test_each_estimate_and_its_standard_error_are_as_worked_by_hand(method, value, standard_error):
    found = estimate(LOGGED, TARGET, [method])[0][method]
    assert found.value == pytest.approx(value)
    assert found.standard_error == pytest.approx(standard_error)
    low, high = found.interval
    assert low + high == pytest.approx(2 * value)
    assert high - low > 2 * 1.96 * standard_error


def test_overlap_is_as_worked_by_hand():
    overlap = estimate(LOGGED, TARGET)[1]
    assert (overlap.rows, overlap.conversations, overlap.matched, overlap.clipped) == (4, 4, 4, 0)
    assert overlap.effective == pytest.approx(8**2 / (4 + 1 + 16 + 1))
    assert overlap.effective_share == pytest.approx(64 / 22 / 4)
    assert (overlap.largest_weight, overlap.largest_weight_share, overlap.mean_weight) == (4.0, 0.5, 2.0)


def test_rows_of_a_conversation_count_as_one():
    together = replace(LOGGED, conversation=np.array(["a", "a", "b", "b"]))
    found = estimate(together, TARGET)[0]["snips"]
    # u by conversation, of twice the mean weight: (2 - 0.375 · 3) / 4 and (1 - 0.375 · 5) / 4.
    assert (found.value, found.standard_error) == (0.375, pytest.approx(0.21875))


def test_the_value_is_of_what_the_target_shows():
    """It shows nothing at the last row, so that ips and dr are means over the other three."""
    less = Target(
        probability=np.array([1.0, 1.0, 1.0, 0.0]), shown=np.array([1.0, 1.0, 1.0, 0.0]), predicted=np.full(4, 0.5)
    )
    found = estimate(LOGGED, less, METHODS)[0]
    assert [found[method].value for method in METHODS] == pytest.approx([2 / 3, 2 / 7, 0.5 + (1 - 0.5 - 2) / 3])


def test_weights_above_the_clip_are_cut_and_told():
    values, overlap = estimate(LOGGED, TARGET, ["ips"], OfflineConfig(clip=2.0))
    assert values["ips"].value == 0.75
    assert (overlap.largest_weight, overlap.clipped) == (2.0, 1)
    assert "1 weights were cut at 2" in " ".join(overlap.warnings)


def test_the_difference_is_paired():
    found = compare(LOGGED, TARGET, TARGET)
    for method in METHODS:
        difference = found.difference[method]
        assert (difference.value, difference.standard_error, difference.interval) == (0.0, 0.0, (0.0, 0.0))
    logged, a, b = many()
    found = compare(logged, a, b, ["snips"])
    assert found.difference["snips"].value == pytest.approx(found.a["snips"].value - found.b["snips"].value)
    assert found.difference["snips"].value == pytest.approx(0.4, abs=0.1)
    low, high = found.difference["snips"].interval
    assert low < 0.4 < high


@given(
    arrays(float, 12, elements=st.floats(0, 1)),
    arrays(float, 12, elements=st.floats(0.01, 1)),
    st.integers(1, 6),
)
def test_the_policy_that_logged_has_the_mean_reward(reward, propensity, size):
    logged = Logged(reward=reward, propensity=propensity, conversation=np.arange(12) // size)
    values, overlap = estimate(logged, Target(probability=propensity), ["ips", "snips"])
    assert [values[method].value for method in values] == pytest.approx([reward.mean()] * 2)
    assert (overlap.effective, overlap.mean_weight) == pytest.approx((12, 1.0))
    assert overlap.unsupported == 0


@given(
    arrays(float, 8, elements=st.floats(0, 1)),
    arrays(float, 8, elements=st.floats(0.01, 1)),
    arrays(float, 8, elements=st.floats(0.01, 1)),
)
def test_snips_lies_between_the_rewards(reward, propensity, probability):
    logged = Logged(reward=reward, propensity=propensity, conversation=np.arange(8))
    value = estimate(logged, Target(probability=probability))[0]["snips"].value
    assert reward.min() - 1e-9 <= value <= reward.max() + 1e-9


def test_a_perfect_model_leaves_the_doubly_robust_estimate_no_error():
    logged = replace(LOGGED, predicted=LOGGED.reward)
    found = estimate(logged, replace(TARGET, predicted=np.full(4, 0.25)), ["dr"])[0]["dr"]
    assert (found.value, found.standard_error) == (0.25, 0.0)


def test_probabilities_multiply_along_a_list():
    lists = np.array([7, 7, 7, 8, 8])
    assert along_lists(np.array([0.5, 0.5, 0.1, 0.25, 1.0]), lists) == pytest.approx([0.5, 0.25, 0.025, 0.25, 0.25])


# Warnings


def test_enough_overlap_warns_of_nothing():
    logged, a, b = many()
    assert warnings(logged, a) == warnings(logged, b) == ""


def test_few_rows_that_count_are_warned_of():
    assert "too little overlap: 4 rows count as 3 (72.7%)" in warnings(LOGGED, TARGET)
    assert "one row has 50% of the whole weight" in warnings(LOGGED, TARGET)


def test_what_was_never_logged_is_warned_of():
    """Half of the rows were not explored, and the target shows something else there."""
    logged, a, _ = many()
    never = np.arange(1000) < 500
    half = replace(logged, propensity=np.where(never, 1.0, logged.propensity))
    found = estimate(half, replace(a, probability=np.where(never, 0.0, a.probability)))[1]
    assert found.unsupported == pytest.approx(0.5, abs=0.1)
    assert "of what the policy shows was never logged" in " ".join(found.warnings)
    assert "about 20% of what the policy shows" in warnings(replace(half, propensity=np.ones(1000)), replace(
        a, probability=np.ones(1000), missing=250
    ))  # fmt: skip


def test_rewards_that_are_all_the_same_are_warned_of():
    logged, a, _ = many()
    values, overlap = estimate(replace(logged, reward=np.zeros(1000)), a)
    assert (values["snips"].value, values["snips"].interval) == (0.0, (0.0, 0.0))
    assert "all rewards are the same" in " ".join(overlap.warnings)


# Bad input


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.5, np.nan])
def test_a_propensity_outside_0_to_1_is_an_error_that_names_it_and_its_row(bad):
    with pytest.raises(ValueError, match=rf"expected propensities in \(0, 1\].*; got {bad} in row 2"):
        importance_weights(np.ones(3), np.array([0.5, 1.0, bad]))


@pytest.mark.parametrize("bad", [-0.1, 1.5, np.nan])
def test_a_probability_outside_0_to_1_is_an_error(bad):
    with pytest.raises(ValueError, match=rf"expected probabilities of the target in \[0, 1\]; got {bad} in row 0"):
        importance_weights(np.array([bad]), np.ones(1))


@pytest.mark.parametrize(
    ("logged", "target", "message"),
    [
        ({}, {"probability": np.zeros(4)}, "expected rows that the target shows too; got none among 4"),
        ({}, {"probability": np.ones(3)}, r"got probability \(3,\), propensity \(4,\)"),
        ({}, {"shown": np.ones(3)}, r"expected shown \(4,\), like the rewards; got \(3,\)"),
        ({"reward": np.zeros(0)}, {}, r"expected rewards \(n,\) of some rows; got \(0,\)"),
        ({"reward": np.array([0, 0, np.inf, 1])}, {}, "expected finite rewards; got inf in row 2"),
        ({"predicted": np.full(4, np.nan)}, {}, "expected finite predicted of what was logged; got nan in row 0"),
        ({"conversation": np.zeros(4)}, {}, "expected two conversations or more.* got 1"),
        ({"predicted": None}, {}, "expected predicted rewards for dr; got none"),
    ],
)
def test_what_gives_no_estimate_is_an_error_that_says_so(logged, target, message):
    with pytest.raises(ValueError, match=message):
        estimate(replace(LOGGED, **logged), replace(TARGET, **target), METHODS)
