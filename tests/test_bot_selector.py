import numpy as np
import pytest
import pyversity
from hypothesis import given
from hypothesis import strategies as st

from bot.selector import duplicates, select

DIVERSITIES = st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0])
CASES = st.tuples(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 14))


def candidates(seed, count):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(count, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, generator.random(count).astype(np.float32)


AXES = np.eye(3, dtype=np.float32)


def test_mmr_of_hand_worked_candidates():
    # c looks like a (cosine .8) and b like nothing: .5·.8 - .5·.8 < .5·.3 - .5·0.
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6]], dtype=np.float32)
    assert select(vectors, np.array([0.9, 0.3, 0.8], dtype=np.float32), 3, diversity=0.5) == [0, 1, 2]
    assert select(vectors, np.array([0.9, 0.3, 0.8], dtype=np.float32), 3, diversity=0.1) == [0, 2, 1]


@given(CASES, DIVERSITIES)
def test_mmr_selects_what_pyversity_selects(case, diversity):
    seed, count, k = case
    vectors, relevance = candidates(seed, count)
    # pyversity takes a negative cosine for 0: compared is what both define alike.
    vectors = np.abs(vectors)
    theirs = pyversity.diversify(vectors, relevance, k=k, strategy=pyversity.Strategy.MMR, diversity=diversity)
    assert select(vectors, relevance, k, diversity) == list(theirs.indices)


@given(CASES, DIVERSITIES)
def test_k_different_candidates_are_selected_or_all(case, diversity):
    seed, count, k = case
    found = select(*candidates(seed, count), k, diversity)
    assert len(found) == len(set(found)) == min(k, count)
    assert set(found) <= set(range(count))


@given(CASES)
def test_without_diversity_the_order_is_that_of_relevance(case):
    seed, count, k = case
    vectors, relevance = candidates(seed, count)
    expected = np.argsort(-relevance, kind="stable")[:k].tolist()
    assert select(vectors, relevance, k, 0.0) == expected
    assert select(vectors, relevance, k, 0.9, "relevance") == expected


@given(CASES, DIVERSITIES)
def test_the_first_ones_are_the_same_for_any_k(case, diversity):
    seed, count, k = case
    assert select(*candidates(seed, count), k, diversity) == select(*candidates(seed, count), count, diversity)[:k]


@given(CASES, DIVERSITIES)
def test_the_callers_arrays_are_left_as_they_were(case, diversity):
    seed, count, k = case
    vectors, relevance = candidates(seed, count)
    select(vectors, relevance, k, diversity)
    again = candidates(seed, count)
    assert (vectors == again[0]).all()
    assert (relevance == again[1]).all()


@given(CASES, st.floats(-1.0, 1.0))
def test_no_two_selected_are_nearer_than_duplicates_may_be(case, limit):
    seed, count, k = case
    vectors, relevance = candidates(seed, count)
    found = select(vectors, relevance, k, duplicate_similarity=limit)
    cosines = vectors[found] @ vectors[found].T
    assert (cosines[np.triu_indices(len(found), 1)] <= limit + 1e-6).all()


def test_a_duplicate_is_left_out_and_the_next_one_comes():
    vectors = AXES[[0, 0, 1]]
    relevance = np.array([0.9, 0.8, 0.1], dtype=np.float32)
    assert select(vectors, relevance, 2, 0.0, duplicate_similarity=0.95) == [0, 2]


@given(st.integers(0, 2**32))
def test_equal_vectors_are_no_duplicates_where_none_may_be_nearer_than_equal(seed):
    vectors, relevance = candidates(seed, 5)
    assert len(select(vectors[[0] * 5], relevance, 5)) == 5


def test_equal_candidates_come_in_the_order_given():
    assert select(AXES, np.full(3, 0.5, dtype=np.float32), 3) == [0, 1, 2]


def test_of_nothing_nothing_is_selected():
    assert select(np.empty((0, 4), dtype=np.float32), np.empty(0, dtype=np.float32), 3) == []


@pytest.mark.parametrize(
    ("vectors", "relevance", "given"),
    [
        (AXES, np.zeros(2, dtype=np.float32), {}),
        (AXES[0], np.zeros(3, dtype=np.float32), {}),
        (AXES, np.zeros((3, 1), dtype=np.float32), {}),
        (AXES, np.zeros(3, dtype=np.float32), {"diversity": 1.1}),
        (AXES, np.zeros(3, dtype=np.float32), {"diversity": -0.1}),
        (AXES, np.zeros(3, dtype=np.float32), {"diversity": float("nan")}),
        (AXES, np.zeros(3, dtype=np.float32), {"strategy": "dpp"}),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_what_came(vectors, relevance, given):
    with pytest.raises(ValueError, match=r"expected .*; got "):
        select(vectors, relevance, 2, **given)


@given(CASES, DIVERSITIES, st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_what_is_neither_selected_nor_a_duplicate_had_no_room(case, diversity, duplicate_similarity):
    seed, count, k = case
    vectors, relevance = candidates(seed, count)
    given = {"diversity": diversity, "duplicate_similarity": duplicate_similarity}
    selected = select(vectors, relevance, k, **given)
    same = duplicates(vectors, selected, duplicate_similarity)
    assert not set(same) & set(selected)
    assert set(same.values()) <= set(selected)
    assert len(selected) == k or len(selected) + len(same) == count


def test_a_duplicate_is_told_with_the_selected_one_it_is_like():
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6], [0, 1]], dtype=np.float32)
    assert duplicates(vectors, [0, 1], 0.7) == {2: 0, 3: 1}
