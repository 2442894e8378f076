import numpy as np
import pytest
import pyversity
from hypothesis import given
from hypothesis import strategies as st

from bot.selector import STRATEGIES, duplicates, select

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
    assert select(vectors, relevance, k, diversity, duplicate_similarity=1.0) == list(theirs.indices)


@given(CASES, DIVERSITIES, st.sampled_from(STRATEGIES))
def test_k_different_candidates_are_selected_or_all(case, diversity, strategy):
    seed, count, k = case
    found = select(*candidates(seed, count), k, diversity, strategy)
    assert len(found) == len(set(found)) == min(k, count)
    assert set(found) <= set(range(count))


@given(CASES, st.sampled_from(STRATEGIES))
def test_without_diversity_the_order_is_that_of_relevance(case, strategy):
    seed, count, k = case
    vectors, relevance = candidates(seed, count)
    expected = np.argsort(-relevance, kind="stable")[:k].tolist()
    assert select(vectors, relevance, k, 0.0, strategy) == expected
    assert select(vectors, relevance, k, 0.9, "relevance") == expected


@given(CASES, DIVERSITIES, st.sampled_from(STRATEGIES))
def test_the_first_ones_are_the_same_for_any_k(case, diversity, strategy):
    seed, count, k = case
    given = {"diversity": diversity, "strategy": strategy}
    assert select(*candidates(seed, count), k, **given) == select(*candidates(seed, count), count, **given)[:k]


@given(CASES, DIVERSITIES, st.sampled_from(STRATEGIES))
def test_only_the_directions_of_vectors_count(case, diversity, strategy):
    seed, count, k = case
    vectors, relevance = candidates(seed, count)
    short, long = (select(vectors * length, relevance, k, diversity, strategy) for length in (0.25, 1024.0))
    assert short == long


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_vectors_of_length_0_are_like_nothing_and_come_too(strategy):
    vectors = np.zeros((4, 3), dtype=np.float32)
    relevance = np.array([0.1, 0.9, 0.4, 0.2], dtype=np.float32)
    assert sorted(select(vectors, relevance, 4, 0.5, strategy)) == [0, 1, 2, 3]
    assert select(vectors, relevance, 4, 0.5, strategy)[0] == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_candidate_nothing_relevant_and_nothing_wanted_are_no_trouble(strategy):
    assert select(AXES[:1], np.ones(1, dtype=np.float32), 5, 0.5, strategy) == [0]
    assert select(AXES, np.ones(3, dtype=np.float32), 0, 0.5, strategy) == []
    assert sorted(select(AXES, np.zeros(3, dtype=np.float32), 5, 0.5, strategy)) == [0, 1, 2]
    nothing = np.empty((0, 3), dtype=np.float32), np.empty(0, dtype=np.float32)
    assert select(*nothing, 5, 0.5, strategy) == []


def log_det(vectors, positions):
    kernel = vectors[positions] @ vectors[positions].T
    return float(np.linalg.slogdet(kernel.astype(np.float64))[1])


@given(st.integers(0, 2**32), st.sampled_from([0.2, 0.5, 0.8]))
def test_dpp_takes_what_raises_the_determinant_most_at_each_step(seed, diversity):
    vectors, relevance = candidates(seed, 7)
    selected = select(vectors, relevance, 4, diversity, "dpp", duplicate_similarity=1.0)
    for size in range(1, 4):

        def gain(position, before=selected[:size]):
            added = log_det(vectors, [*before, position]) - log_det(vectors, before)
            return (1 - diversity) * relevance[position] + diversity * added

        best = max(gain(each) for each in range(7) if each not in selected[:size])
        assert gain(selected[size]) == pytest.approx(best, abs=1e-3)


def test_dpp_of_hand_worked_candidates():
    # After a, c has cosine .8 with it: log(1 - .64) = -1.022; b is orthogonal: log 1 = 0.
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6]], dtype=np.float32)
    relevance = np.array([0.9, 0.3, 0.8], dtype=np.float32)
    # .5·.3 + .5·0 = .15 against .5·.8 - .5·1.022 = -.111; .9·.3 = .27 against .9·.8 - .1·1.022 = .618.
    assert select(vectors, relevance, 2, 0.5, "dpp") == [0, 1]
    assert select(vectors, relevance, 2, 0.1, "dpp") == [0, 2]


ASPECTS = np.array([[1.0, 0.0], [0.9, 0.0], [0.0, 0.8]], dtype=np.float32)
ON_ASPECTS = np.array([0.9, 0.8, 0.5], dtype=np.float32)


def test_xquad_of_hand_worked_aspects():
    # w ∝ (.9 + .8·.9, .5·.8) = (1.62, .4) → (.802, .198). After a, of aspect 1 is open .802·(1 - .9) = .080.
    # b: .1·.8 + .9·.080·.72 = .132; c: .1·.5 + .9·.198·.4 = .121 at diversity .9, and at 1: .0577 against .0792.
    assert select(AXES, ON_ASPECTS, 2, 0.9, "xquad", ASPECTS) == [0, 1]
    assert select(AXES, ON_ASPECTS, 2, 1.0, "xquad", ASPECTS) == [0, 2]


def test_pm2_of_hand_worked_aspects():
    # After a, aspect 1 has one place: quotients .802/3 = .267 and .198. b: .5·.267·.72 = .0962; c: .5·.198·.4 = .0396.
    assert select(AXES, ON_ASPECTS, 2, 1.0, "pm2", ASPECTS) == [0, 1]
    # After b it has two: .802/5 = .160 and .198: c is next, though a third one of aspect 1 were left.
    more = np.vstack([ASPECTS, [[0.4, 0.0]]]).astype(np.float32)
    vectors = np.eye(4, dtype=np.float32)
    assert select(vectors, np.append(ON_ASPECTS, np.float32(0.5)), 3, 1.0, "pm2", more) == [0, 1, 2]


def test_facility_location_of_hand_worked_candidates():
    # a stands for b, its near twin; c stands for itself. Shares .45 .4 .15: b adds .4·.2 - c .15·1 at diversity 1.
    vectors = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]], dtype=np.float32)
    relevance = np.array([0.9, 0.8, 0.3], dtype=np.float32)
    assert select(vectors, relevance, 2, 1.0, "facility") == [0, 2]
    assert select(vectors, relevance, 2, 0.1, "facility") == [0, 1]


def test_coverage_of_hand_worked_candidates():
    # After a: b .8·(1 - .9·.8) = .224 against c .3 at diversity 1; .8·(1 - .2·.9·.8) = .685 at .2.
    vectors = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]], dtype=np.float32)
    relevance = np.array([0.9, 0.8, 0.3], dtype=np.float32)
    assert select(vectors, relevance, 2, 1.0, "coverage") == [0, 2]
    assert select(vectors, relevance, 2, 0.2, "coverage") == [0, 1]


def test_without_aspects_those_strategies_cover_the_neighbourhoods():
    near = np.array([[1, 0, 0], [0.96, 0.28, 0], [0.96, 0, 0.28]], dtype=np.float32)
    vectors = np.vstack([near, [[0, 1, 0]]]).astype(np.float32)
    relevance = np.array([0.9, 0.85, 0.8, 0.5], dtype=np.float32)
    assert select(vectors, relevance, 2, 0.0, "xquad") == [0, 1]
    assert select(vectors, relevance, 2, 1.0, "xquad") == [0, 3]


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
    found = select(vectors, relevance, k, duplicate_similarity=limit, keep_duplicates=False)
    cosines = vectors[found] @ vectors[found].T
    assert (cosines[np.triu_indices(len(found), 1)] <= limit + 1e-6).all()


def test_a_duplicate_is_left_out_and_the_next_one_comes():
    vectors = AXES[[0, 0, 1]]
    relevance = np.array([0.9, 0.8, 0.1], dtype=np.float32)
    assert select(vectors, relevance, 2, 0.0, duplicate_similarity=0.95) == [0, 2]
    assert select(vectors, relevance, 3, 0.0, duplicate_similarity=0.95, keep_duplicates=False) == [0, 2]


@given(st.integers(0, 2**32))
def test_equal_vectors_are_no_duplicates_where_none_may_be_nearer_than_equal(seed):
    vectors, relevance = candidates(seed, 5)
    assert len(select(vectors[[0] * 5], relevance, 5)) == 5


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_near_duplicates_come_after_all_others_but_they_come(strategy):
    vectors = AXES[[0, 0, 1, 0, 2]]
    relevance = np.array([0.9, 0.8, 0.1, 0.7, 0.2], dtype=np.float32)
    assert set(select(vectors, relevance, 3, 0.3, strategy)) == {0, 2, 4}
    assert set(select(vectors, relevance, 4, 0.3, strategy)) >= {0, 2, 4}
    assert sorted(select(vectors, relevance, 9, 0.3, strategy)) == [0, 1, 2, 3, 4]


def test_candidates_of_one_group_are_near_duplicates_of_each_other():
    relevance = np.array([0.9, 0.8, 0.7], dtype=np.float32)
    assert select(AXES, relevance, 3, groups=[1, 1, 2]) == [0, 2, 1]
    assert select(AXES, relevance, 3, groups=[1, 1, 2], keep_duplicates=False) == [0, 2]
    with pytest.raises(ValueError, match="a group for each of 3"):
        select(AXES, relevance, 3, groups=[1])


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
        (AXES, np.zeros(3, dtype=np.float32), {"strategy": "best"}),
        (AXES, np.zeros(3, dtype=np.float32), {"k": -1}),
        (AXES, np.array([0.1, 1.1, 0.2], dtype=np.float32), {}),
        (AXES, np.array([0.1, -0.1, 0.2], dtype=np.float32), {}),
        (AXES, np.array([0.1, np.nan, 0.2], dtype=np.float32), {}),
        (AXES * np.nan, np.zeros(3, dtype=np.float32), {}),
        (AXES + np.inf, np.zeros(3, dtype=np.float32), {}),
        (AXES, np.zeros(3, dtype=np.float32), {"aspects": np.zeros((2, 2))}),
        (AXES, np.zeros(3, dtype=np.float32), {"aspects": np.zeros(3)}),
        (AXES, np.zeros(3, dtype=np.float32), {"aspects": -AXES}),
        (AXES, np.zeros(3, dtype=np.float32), {"aspects": AXES * np.nan}),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_what_came(vectors, relevance, given):
    with pytest.raises(ValueError, match=r"expected .*; got "):
        select(vectors, relevance, **({"k": 2} | given))


@given(CASES, DIVERSITIES, st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_what_is_neither_selected_nor_a_duplicate_had_no_room(case, diversity, duplicate_similarity):
    seed, count, k = case
    vectors, relevance = candidates(seed, count)
    given = {"diversity": diversity, "duplicate_similarity": duplicate_similarity, "keep_duplicates": False}
    selected = select(vectors, relevance, k, **given)
    same = duplicates(vectors, selected, duplicate_similarity)
    assert not set(same) & set(selected)
    assert set(same.values()) <= set(selected)
    assert len(selected) == k or len(selected) + len(same) == count


def test_a_duplicate_is_told_with_the_selected_one_it_is_like():
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6], [0, 1]], dtype=np.float32)
    assert duplicates(vectors, [0, 1], 0.7) == {2: 0, 3: 1}
