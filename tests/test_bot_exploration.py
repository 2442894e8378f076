from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exploration import explored

VALUES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8)


def slots(values, selected, share=0.2, temperature=0.5, seed=0):
    return explored(np.array(values, dtype=np.float32), selected, share=share, temperature=temperature, seed=seed)


def test_without_a_share_each_slot_shows_what_was_selected():
    found = slots([0.1, 0.9, 0.5], [1, 2], share=0.0)
    assert [(each.position, each.propensity) for each in found] == [(1, 1.0), (2, 1.0)]


def test_hand_worked_propensities():
    # Of weights 1 and e^(-1/.5) = .1353 with share .5: .5 + .5/1.1353 = .9404 and .5·.1353/1.1353 = .0596.
    first = slots([1.0, 0.0], [0], share=0.5)[0]
    assert first.chances == pytest.approx([0.9404, 0.0596], abs=1e-4)


@given(VALUES, st.integers(0, 2**32), st.floats(0, 1), st.floats(0.01, 5))
def test_chances_sum_to_1_over_what_is_left_and_nothing_comes_twice(values, seed, share, temperature):
    count = len(values)
    selected = list(np.random.default_rng(seed).permutation(count)[: max(1, count // 2)])
    found = slots(values, selected, share, temperature, seed)
    assert len(found) == len(selected)
    taken = []
    for slot in found:
        assert slot.chances.sum() == pytest.approx(1.0)
        assert (slot.chances[taken] == 0).all()
        assert slot.propensity > 0
        taken.append(slot.position)
    assert len(set(taken)) == len(taken)


def test_what_is_drawn_is_drawn_as_often_as_its_propensity_says():
    drawn = Counter(slots([0.9, 0.5, 0.1], [0, 1], share=0.6, seed=seed)[0].position for seed in range(4_000))
    chances = slots([0.9, 0.5, 0.1], [0, 1], share=0.6)[0].chances
    for position in range(3):
        assert drawn[position] / 4_000 == pytest.approx(chances[position], abs=0.03)


def test_where_a_drawn_one_took_its_place_the_selected_one_moves_down():
    for seed in range(200):
        found = slots([0.5, 0.5, 0.5], [0, 1], share=0.9, temperature=5.0, seed=seed)
        if found[0].position == 2:
            assert found[1].chances[0] > found[1].chances[1]
            return
    raise AssertionError("nothing was drawn")


@pytest.mark.parametrize("given", [{"share": 1.5}, {"share": -0.1}, {"temperature": 0.0}, {"selected": [3]}])
def test_what_can_not_be_is_an_error(given):
    with pytest.raises(ValueError, match=r"expected .*; got "):
        slots([0.1, 0.2], given.pop("selected", [0]), **given)
