import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge

from models.probe import FittedProbe, Probe, ProbeConfig, choose_texts

CONFIG = ProbeConfig()
COUNT = 4
ROWS = st.lists(st.integers(0, 5), min_size=1, max_size=40).map(np.array)


def unit(seed, size, dimension=8):
    vectors = np.random.default_rng(seed).normal(size=(size, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


TEXTS, TEXT_ROWS = unit(0, 20), np.arange(20) % COUNT
FITTED = FittedProbe(TEXTS, TEXT_ROWS, COUNT, CONFIG)


def test_values_are_those_of_kernel_ridge_in_scikit_learn():
    asked = unit(1, 10)
    theirs = KernelRidge(alpha=CONFIG.ridge, kernel="rbf", gamma=CONFIG.gamma).fit(TEXTS, np.eye(COUNT)[TEXT_ROWS])
    assert np.allclose(FITTED.values(asked), theirs.predict(asked), atol=1e-4)


@pytest.mark.parametrize("group", [[3], [3, 7], [0, 3, 11, 12, 19], list(range(3, 20))])
def test_without_a_group_it_says_what_a_probe_says_that_was_never_fitted_on_it(group):
    kept = [at for at in range(len(TEXTS)) if at not in group]
    refitted = FittedProbe(TEXTS[kept], TEXT_ROWS[kept], COUNT, CONFIG)
    # Of the texts of the group, of the others, and of what nobody has seen.
    asked = np.concatenate([TEXTS, unit(6, 5)])
    assert np.allclose(FITTED.without(asked, group), refitted.values(asked), atol=1e-3)


def test_without_nothing_it_says_what_it_says():
    asked = unit(1, 4)
    assert (FITTED.without(asked, []) == FITTED.values(asked)).all()


def test_a_text_that_was_fitted_speaks_for_its_own_pair():
    clusters = np.repeat(unit(2, COUNT), 5, axis=0) + 0.1 * unit(3, 5 * COUNT)
    clusters /= np.linalg.norm(clusters, axis=1, keepdims=True)
    rows = np.repeat(np.arange(COUNT), 5)
    values = FittedProbe(clusters.astype(np.float32), rows, COUNT, CONFIG).values(clusters.astype(np.float32))
    assert (values.argmax(axis=1) == rows).all()


def test_a_probe_of_saved_coefficients_gives_the_same_values():
    again = Probe(TEXTS, FITTED.coefficients, CONFIG.gamma)
    asked = unit(4, 5)
    assert (again.values(asked) == FITTED.values(asked)).all()


def test_equal_texts_of_different_pairs_are_fitted_all_the_same():
    probe = FittedProbe(TEXTS[[0, 0, 0]], np.array([0, 1, 1]), 2, CONFIG)
    first, second = probe.values(TEXTS[[0]])[0]
    assert 0 < first < second < 1


def test_a_pair_without_a_text_has_the_value_0():
    probe = FittedProbe(TEXTS, TEXT_ROWS, COUNT + 1, CONFIG)
    assert (probe.values(unit(5, 6))[:, COUNT] == 0).all()


def test_fitting_leaves_the_callers_vectors_as_they_were():
    before = TEXTS.copy()
    FittedProbe(TEXTS, TEXT_ROWS, COUNT, CONFIG)
    assert (before == TEXTS).all()


def test_texts_are_chosen_in_turn_of_their_pairs():
    assert choose_texts(np.array([0, 0, 0, 1, 1, 2]), 4).tolist() == [0, 1, 3, 5]


@given(ROWS, st.integers(0, 50))
def test_as_many_texts_are_chosen_as_may_be_each_once_and_in_order(rows, most):
    chosen = choose_texts(rows, most)
    assert len(chosen) == min(most, len(rows))
    assert (np.diff(chosen) > 0).all()


@given(ROWS, st.integers(0, 50))
def test_no_pair_has_two_texts_more_than_one_that_has_texts_left(rows, most):
    chosen = np.bincount(rows[choose_texts(rows, most)], minlength=6)
    there = np.bincount(rows, minlength=6)
    with_more = chosen[chosen < there]
    assert not len(with_more) or chosen.max() <= with_more.min() + 1
