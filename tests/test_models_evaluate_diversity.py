"""Measures of diverse lists: hand-worked figures, pyndeval, and brute force."""

from itertools import permutations

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluate.aspect_gain import alpha_dcg, alpha_ndcg, err_ia, ideal_order
from models.evaluate.coverage import s_recall, topic_coverage
from models.evaluate.exposure import catalogue_coverage, gini, novelty
from models.evaluate.intra_list import ild

# Three aspects. What is shown serves {0}, nothing, {0, 1} and {2}, in this order.
SHOWN = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
JUDGED = SHOWN[[2, 0, 3]]


def table(rows, columns):
    cells = st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns)
    return cells.map(lambda values: np.array(values, dtype=bool).reshape(rows, columns))


TABLES = st.tuples(st.integers(1, 6), st.integers(2, 4)).flatmap(lambda size: table(*size))


def test_alpha_dcg_of_a_hand_worked_list():
    # Aspect 0 comes a second time at rank 3, for half; aspect 1 there for the first time.
    assert alpha_dcg(SHOWN, 5) == pytest.approx(1 / 1 + 0 + 1.5 / np.log2(4) + 1 / np.log2(5))
    assert alpha_dcg(SHOWN, 1) == 1.0


def test_alpha_ndcg_divides_by_the_greedy_ideal():
    # {0, 1} for 2, then {2} for 1, then {0} for a half.
    ideal = 2 + 1 / np.log2(3) + 0.5 / np.log2(4)
    assert ideal_order(JUDGED, 5).tolist() == [0, 2, 1]
    assert alpha_ndcg(SHOWN, JUDGED, 5) == pytest.approx((1 + 1.5 / 2 + 1 / np.log2(5)) / ideal)
    assert alpha_ndcg(JUDGED[[0, 2, 1]], JUDGED, 5) == 1.0


def test_with_an_alpha_of_0_what_was_served_before_is_worth_as_much():
    assert alpha_dcg(SHOWN, 3, alpha=0.0) == pytest.approx(1 + 2 / np.log2(4))


def test_err_ia_of_a_hand_worked_list():
    most = 3 * (1 + 0.5 / 2 + 0.25 / 3 + 0.125 / 4 + 0.0625 / 5)
    assert err_ia(SHOWN, JUDGED, 5) == pytest.approx((1 + 1.5 / 3 + 1 / 4) / most)


def test_s_recall_of_a_hand_worked_list():
    assert [s_recall(SHOWN, JUDGED, k) for k in (1, 2, 3, 4)] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1])


def test_an_aspect_that_nothing_judged_serves_does_not_count():
    assert s_recall(SHOWN[:3], JUDGED[:2], 5) == 1.0


@pytest.mark.parametrize("measure", [alpha_ndcg, err_ia, s_recall])
def test_where_nothing_serves_anything_there_is_no_measure(measure):
    assert np.isnan(measure(SHOWN, np.zeros((2, 3), dtype=bool), 5))


@pytest.mark.parametrize("measure", [alpha_ndcg, err_ia, s_recall])
def test_an_empty_list_has_nothing(measure):
    assert measure(SHOWN[:0], JUDGED, 5) == 0.0


# At k = 1 pyndeval 0.0.8 does not divide ERR-IA by the number of aspects: with two of them it tells 2.
@given(TABLES.filter(np.any), st.randoms(), st.integers(2, 6))
def test_measures_of_aspects_are_those_of_pyndeval(judged, random, k):
    order = list(range(len(judged)))
    random.shuffle(order)
    qrels = [ir_measures.Qrel("q", f"d{i}", 1, str(t)) for i, t in zip(*np.nonzero(judged), strict=True)]
    run = [ir_measures.ScoredDoc("q", f"d{i}", float(-rank)) for rank, i in enumerate(order)]
    wanted = [ir_measures.alpha_nDCG @ k, ir_measures.ERR_IA @ k, ir_measures.StRecall @ k]
    theirs = ir_measures.calc_aggregate(wanted, qrels, run)
    shown = judged[order]
    ours = [alpha_ndcg(shown, judged, k), err_ia(shown, judged, k), s_recall(shown, judged, k)]
    assert ours == pytest.approx([theirs[each] for each in wanted])


@given(TABLES.filter(np.any), st.integers(1, 4))
def test_the_greedy_ideal_is_near_the_best_of_all_lists(judged, k):
    best = max(alpha_dcg(judged[list(order)], k) for order in permutations(range(len(judged)), min(k, len(judged))))
    greedy = alpha_dcg(judged[ideal_order(judged, k)], k)
    # A greedy choice of a submodular gain reaches 1 - 1/e of the best (Nemhauser et al. 1978).
    assert best * (1 - 1 / np.e) <= greedy <= best + 1e-12


def test_ild_of_hand_worked_vectors():
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    assert ild(vectors, 3) == pytest.approx(((1 - 0.6) + (1 - 0) + (1 - 0.8)) / 3)
    assert ild(vectors, 2) == pytest.approx(0.4)


def test_ild_of_equal_vectors_is_0_and_of_one_alone_is_none():
    assert ild(np.tile([[0.6, 0.8]], (3, 1)), 3) == pytest.approx(0.0)
    assert np.isnan(ild(np.array([[1.0, 0.0]]), 5))


@given(st.integers(2, 8), st.integers(0, 1000))
def test_ild_is_the_mean_over_all_pairs(count, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [1 - vectors[i] @ vectors[j] for i in range(count) for j in range(i)]
    assert ild(vectors, count) == pytest.approx(np.mean(pairs))


def test_topic_coverage_is_the_share_of_the_candidates_topics():
    assert topic_coverage(np.array([1, 1, 3]), np.array([1, 2, 3, 4])) == 0.5
    assert np.isnan(topic_coverage(np.array([1]), np.array([], dtype=np.int64)))


def test_novelty_of_hand_worked_counts():
    # Of 3 + 1, 0 + 1 and 2 + 1 interactions: 8 in all.
    assert novelty(np.array([1, 0]), np.array([3.0, 0.0, 2.0])) == pytest.approx((3 + 1) / 2)
    assert np.isnan(novelty(np.array([], dtype=np.int64), np.array([1.0])))


def test_catalogue_coverage_counts_an_item_once():
    assert catalogue_coverage(np.array([0, 0, 3]), 4) == 0.5


def test_gini_of_hand_worked_exposures():
    assert gini(np.array([0, 1, 2, 3]), 4) == 0.0
    assert gini(np.array([2, 2, 2]), 4) == pytest.approx(3 / 4)
    # Shown 0, 1 and 2 times: (-2 · 0 + 0 · 1 + 2 · 2) / (3 · 3).
    assert gini(np.array([1, 2, 2]), 3) == pytest.approx(4 / 9)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_gini_is_half_the_relative_mean_difference(shown):
    counts = np.bincount(shown, minlength=6)
    pairs = np.abs(counts[:, None] - counts[None, :])
    assert gini(np.array(shown), 6) == pytest.approx(pairs.mean() / (2 * counts.mean()))
