import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.runtime import batches_by_length, run_batches

LENGTHS = st.lists(st.integers(1, 300), max_size=60)
BUDGETS = st.integers(1, 1_000)
PAD = 0


class FirstAndSum:
    """A forward pass that gives the first token and the sum of those that are no padding; remembers its batches."""

    def __init__(self):
        self.shapes = []

    def __call__(self, input_ids, attention_mask):
        self.shapes.append(input_ids.shape)
        assert (input_ids[attention_mask == 0] == PAD).all()
        return np.stack([input_ids[:, 0], (input_ids * attention_mask).sum(axis=1)], axis=1).astype(np.float32)


@given(LENGTHS, BUDGETS)
def test_every_position_is_in_exactly_one_batch(lengths, budget):
    positions = [position for batch in batches_by_length(lengths, budget) for position in batch]
    assert sorted(positions) == list(range(len(lengths)))


@given(LENGTHS, BUDGETS)
def test_a_padded_batch_of_several_texts_keeps_to_the_budget(lengths, budget):
    for batch in batches_by_length(lengths, budget):
        assert len(batch) == 1 or len(batch) * max(lengths[position] for position in batch) <= budget


@given(LENGTHS, BUDGETS)
def test_batches_go_from_long_to_short_so_that_like_lengths_are_together(lengths, budget):
    order = [lengths[position] for batch in batches_by_length(lengths, budget) for position in batch]
    assert order == sorted(lengths, reverse=True)


@given(LENGTHS, BUDGETS)
def test_no_batch_has_room_for_the_next_text(lengths, budget):
    batches = list(batches_by_length(lengths, budget))
    for batch in batches[:-1]:
        assert (len(batch) + 1) * lengths[batch[0]] > budget


def test_batches_of_hand_worked_lengths():
    assert list(batches_by_length([3, 10, 5, 5], budget=10)) == [[1], [2, 3], [0]]


def test_nothing_gives_no_batch():
    assert list(batches_by_length([])) == []


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=20), max_size=30), st.integers(1, 60))
def test_rows_come_in_the_order_given_whatever_the_batches(tokens, budget):
    forward = FirstAndSum()
    rows = run_batches(forward, tokens, dimension=2, pad_id=PAD, budget=budget)
    assert rows.tolist() == [[each[0], sum(each)] for each in tokens]
    assert sum(count for count, _ in forward.shapes) == len(tokens)


@pytest.mark.parametrize("count", [0, 1])
def test_rows_are_float32_of_the_dimension(count):
    rows = run_batches(FirstAndSum(), [[1, 2]] * count, dimension=2, pad_id=PAD)
    assert rows.shape == (count, 2)
    assert rows.dtype == np.float32
