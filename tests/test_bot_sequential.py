"""Sequential tests: hand-worked evidence, and no false alarm however often they are looked at."""

import numpy as np
import pytest

from bot.sequential import (
    SequentialConfig,
    always_valid_p,
    arm_effects,
    arms_evidence,
    arms_sequence,
    confidence_sequence,
    decided_at,
    even_evidence,
)

RUNS, CONVERSATIONS = 1000, 2000


def simulated(run, of_a, of_b, share):
    generator = np.random.default_rng([0, run])
    is_b = generator.random(CONVERSATIONS) < share
    return (generator.random(CONVERSATIONS) < np.where(is_b, of_b, of_a)).astype(float), is_b


def test_evidence_is_as_worked_by_hand():
    """Each arm is thought to have 1/2; then B had a success: 3/4; then A had none: 1/4."""
    outcome, is_b = np.array([1.0, 0.0, 1.0]), np.array([True, False, True])
    # 1st: both 1/2. 2nd: A 1/2 of mean (1/2 + 3/4) / 2. 3rd: B 3/4 of (1/4 + 3/4) / 2.
    expected = [1.0, (1 / 2) / (3 / 8), (1 / 2) / (3 / 8) * (3 / 4) / (1 / 2)]
    assert arms_evidence(outcome, is_b, 0.5) == pytest.approx(expected)


def test_evidence_of_preferences_is_as_worked_by_hand():
    """Beta(1/2, 1/2): the first says nothing, three alike have 5/16 against 1/8, two and one 1/16 against 1/8."""
    assert even_evidence(np.array([True, True, True])) == pytest.approx([1, 3 / 2, 5 / 2])
    assert even_evidence(np.array([True, True, False])) == pytest.approx([1, 3 / 2, 1 / 2])


@pytest.mark.parametrize(("rate", "share"), [(0.05, 0.5), (0.05, 0.1), (0.3, 0.2)])
def test_arms_that_do_not_differ_are_told_apart_by_chance_in_5_of_100_at_most_though_looked_at_always(rate, share):
    logs = [simulated(run, rate, rate, share) for run in range(RUNS)]
    by_evidence = [decided_at(arms_evidence(*each, share)) is not None for each in logs]
    found = [arms_sequence(*each, share) for each in logs]
    by_interval = [bool(((each.low > 0) | (each.high < 0)).any()) for each in found]
    assert np.mean(by_evidence) <= 0.05
    assert np.mean(by_interval) <= 0.05


def test_preferences_by_chance_are_taken_for_one_in_5_of_100_at_most():
    generator = np.random.default_rng(0)
    found = [decided_at(even_evidence(generator.random(CONVERSATIONS) < 0.5)) is not None for _ in range(RUNS)]
    assert np.mean(found) <= 0.05


def test_arms_that_differ_are_told_apart_long_before_the_end():
    logs = [simulated(run, 0.2, 0.35, 0.5) for run in range(50)]
    decided = [decided_at(arms_evidence(*each, 0.5)) for each in logs]
    assert None not in decided
    assert np.median(decided) < CONVERSATIONS / 2


def test_the_confidence_sequence_covers_the_difference_all_the_time():
    found = [arms_sequence(*simulated(run, 0.2, 0.3, 0.3), 0.3) for run in range(RUNS)]
    covers = [bool(((each.low <= 0.1) & (each.high >= 0.1)).all()) for each in found]
    assert np.mean(covers) >= 0.95
    assert np.mean([each.mean[-1] for each in found]) == pytest.approx(0.1, abs=0.01)


def test_effects_have_the_difference_as_their_mean():
    outcome, is_b = simulated(1, 0.2, 0.5, 0.25)
    assert arm_effects(outcome, is_b, 0.25).mean() == pytest.approx(0.3, abs=0.06)


def test_before_there_is_enough_there_is_no_interval():
    outcome, is_b = simulated(0, 0.5, 0.5, 0.5)
    found = arms_sequence(outcome, is_b, 0.5, SequentialConfig(begin=200))
    assert np.isinf(found.high[:199]).all()
    assert np.isfinite(found.high[199:]).all()
    assert np.isinf(arms_sequence(np.zeros(500), is_b[:500], 0.5).high).all()
    assert np.isinf(confidence_sequence(np.ones(300)).high).all()


def test_the_p_value_is_that_of_the_strongest_evidence():
    assert always_valid_p(np.array([1.0, 40.0, 2.0])) == 1 / 40
    assert always_valid_p(np.array([0.5])) == always_valid_p(np.array([])) == 1.0


def test_overwhelming_evidence_stays_a_number():
    is_b = np.arange(20_000) % 2 == 0
    assert np.isfinite(arms_evidence(is_b.astype(float), is_b, 0.5)).all()


@pytest.mark.parametrize(
    ("outcome", "is_b", "share", "message"),
    [
        (np.ones(2), np.ones(3, dtype=bool), 0.5, r"got outcome \(2,\), is_b \(3,\)"),
        (np.ones(2), np.ones(2, dtype=bool), 1.0, "expected a share between 0 and 1; got 1.0"),
        (np.array([1, 0.5]), np.ones(2, dtype=bool), 0.5, "expected outcomes of 0 or 1; got 0.5"),
    ],
)
def test_what_cannot_be_tested_is_an_error(outcome, is_b, share, message):
    with pytest.raises(ValueError, match=message):
        arms_evidence(outcome, is_b, share)


def test_values_that_are_not_finite_are_an_error():
    with pytest.raises(ValueError, match="expected finite values"):
        confidence_sequence(np.array([1.0, np.nan]))
