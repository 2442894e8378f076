"""The contract of a VectorIndex, held against brute force; another implementation joins `IMPLEMENTATIONS`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import pytest

from kb.errors import IndexDamagedError
from kb.index import FaissIndex, VectorIndex, build_index

DIMENSION = 16


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """How an implementation is made empty, and how what it saved is loaded."""

    make: Callable[[int], VectorIndex]
    load: Callable[[Path], VectorIndex]


IMPLEMENTATIONS = {"faiss": Implementation(make=FaissIndex, load=FaissIndex.load)}


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def implementation(request: pytest.FixtureRequest) -> Implementation:
    return request.param


@pytest.fixture
def index(implementation: Implementation) -> VectorIndex:
    return implementation.make(DIMENSION)


@pytest.fixture
def filled(index: VectorIndex) -> VectorIndex:
    """Twenty vectors under the ids 100 to 119."""
    index.add(np.arange(100, 120), unit_vectors(20))
    return index


def unit_vectors(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def brute_force(known: dict[int, np.ndarray], queries: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.array(sorted(known), dtype=np.int64)
    cosines = queries @ np.stack([known[int(each)] for each in ids]).T
    order = np.argsort(-cosines, axis=1)[:, :top_k]
    return np.take_along_axis(cosines, order, axis=1), ids[order]


def assert_agrees(index: VectorIndex, known: dict[int, np.ndarray], top_k: int) -> None:
    queries = unit_vectors(7, seed=99)
    cosines, ids = index.search(queries, top_k)
    expected_cosines, expected_ids = brute_force(known, queries, top_k)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(cosines, expected_cosines, atol=1e-6)


def test_it_agrees_with_brute_force_while_vectors_come_and_go(index):
    random = np.random.default_rng(1)
    known: dict[int, np.ndarray] = {}
    for step in range(12):
        ids = random.choice(np.arange(step * 1_000, step * 1_000 + 500), size=30, replace=False)
        vectors = unit_vectors(30, seed=step)
        index.add(ids, vectors)
        known |= dict(zip(ids.tolist(), vectors, strict=True))
        gone = random.choice(sorted(known), size=10, replace=False)
        assert index.remove(gone) == 10
        known = {each: vector for each, vector in known.items() if each not in gone}
        assert len(index) == len(known)
        assert_agrees(index, known, top_k=5)


def test_reconstructed_vectors_are_those_added_in_the_order_asked_for(filled):
    ids = np.array([113, 100, 119, 113])
    np.testing.assert_array_equal(filled.reconstruct(ids), unit_vectors(20)[ids - 100])


def test_the_nearest_vector_of_a_vector_is_itself(filled):
    cosines, ids = filled.search(unit_vectors(20), 1)
    assert ids[:, 0].tolist() == list(range(100, 120))
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_opposite_vectors_have_cosine_minus_one(index):
    vector = unit_vectors(1)
    index.add(np.array([5]), -vector)
    np.testing.assert_allclose(index.search(vector, 1)[0], [[-1]], atol=1e-6)


def test_asking_for_more_than_there_are_gives_all_without_padding(filled):
    cosines, ids = filled.search(unit_vectors(3), 1_000)
    assert cosines.shape == ids.shape == (3, 20)
    assert [sorted(row) for row in ids.tolist()] == [list(range(100, 120))] * 3


def test_results_are_float32_cosines_and_int64_ids(filled):
    cosines, ids = filled.search(unit_vectors(1), 2)
    assert (cosines.dtype, ids.dtype, filled.reconstruct(ids[0]).dtype) == (np.float32, np.int64, np.float32)


def test_an_empty_index_finds_nothing(index):
    assert len(index) == 0
    assert index.dimension == DIMENSION
    cosines, ids = index.search(unit_vectors(3), 5)
    assert cosines.shape == ids.shape == (3, 0)


def test_nothing_can_be_added_asked_removed_and_reconstructed(filled):
    none = np.empty(0, dtype=np.int64)
    filled.add(none, np.empty((0, DIMENSION), dtype=np.float32))
    assert len(filled) == 20
    assert filled.remove(none) == 0
    assert filled.search(np.empty((0, DIMENSION), dtype=np.float32), 5)[1].shape == (0, 5)
    assert filled.reconstruct(none).shape == (0, DIMENSION)


def test_removing_counts_only_what_was_there(filled):
    assert filled.remove(np.array([100, 101, 101, 7])) == 2
    assert len(filled) == 18
    assert filled.remove(np.array([100])) == 0


def test_a_removed_vector_is_neither_found_nor_reconstructed(filled):
    filled.remove(np.array([105]))
    assert 105 not in filled.search(unit_vectors(20), 20)[1]
    with pytest.raises(KeyError, match="105"):
        filled.reconstruct(np.array([104, 105]))


def test_a_removed_id_can_be_added_again(filled):
    filled.remove(np.array([105]))
    vector = unit_vectors(1, seed=7)
    filled.add(np.array([105]), vector)
    np.testing.assert_array_equal(filled.reconstruct(np.array([105])), vector)


def test_an_unknown_id_is_named(filled):
    with pytest.raises(KeyError, match="99"):
        filled.reconstruct(np.array([100, 99]))


@pytest.mark.parametrize("shape", [(2, DIMENSION - 1), (1, DIMENSION), (3, DIMENSION), (2 * DIMENSION,)])
def test_vectors_that_do_not_fit_are_refused_and_nothing_is_added(filled, shape):
    with pytest.raises(ValueError, match="expected vectors of shape"):
        filled.add(np.array([1, 2]), np.zeros(shape, dtype=np.float32))
    assert len(filled) == 20


@pytest.mark.parametrize("shape", [(1, DIMENSION - 1), (1, DIMENSION + 1), (DIMENSION,)])
def test_a_search_with_vectors_of_another_dimension_is_refused(filled, shape):
    with pytest.raises(ValueError, match="expected vectors of shape"):
        filled.search(np.zeros(shape, dtype=np.float32), 3)


@pytest.mark.parametrize("ids", [[1, 100], [1, 1]])
def test_known_and_repeated_ids_are_refused_and_nothing_is_added(filled, ids):
    with pytest.raises(ValueError, match="expected new ids"):
        filled.add(np.array(ids), unit_vectors(2))
    assert len(filled) == 20
    with pytest.raises(KeyError):
        filled.reconstruct(np.array([1]))


def test_a_saved_index_is_loaded_as_it_was_and_can_be_changed(implementation, filled, tmp_path):
    filled.remove(np.array([103, 110]))
    filled.save(tmp_path / "vectors")
    loaded = implementation.load(tmp_path / "vectors")
    vectors = unit_vectors(20)
    known = {100 + at: vectors[at] for at in range(20) if at not in (3, 10)}
    assert_agrees(loaded, known, top_k=18)
    with pytest.raises(ValueError, match="expected new ids"):
        loaded.add(np.array([100]), vectors[:1])
    loaded.add(np.array([103]), vectors[3:4])
    assert loaded.remove(np.array([100])) == 1
    del known[100]
    assert_agrees(loaded, known | {103: vectors[3]}, top_k=18)


def test_an_empty_index_survives_saving(implementation, index, tmp_path):
    index.save(tmp_path / "vectors")
    loaded = implementation.load(tmp_path / "vectors")
    assert (len(loaded), loaded.dimension) == (0, DIMENSION)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_is_refused_with_the_remedy(implementation, filled, tmp_path, kept):
    path = tmp_path / "vectors"
    filled.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(IndexDamagedError, match="frontdesk index"):
        implementation.load(path)


@pytest.mark.parametrize("content", [None, b"not an index"])
def test_a_file_that_is_missing_or_something_else_is_refused_with_the_remedy(implementation, tmp_path, content):
    path = tmp_path / "vectors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IndexDamagedError, match="frontdesk index"):
        implementation.load(path)


@pytest.mark.parametrize("kind", [faiss.IndexFlatIP(4), faiss.IndexIDMap2(faiss.IndexFlatL2(4))])
def test_a_faiss_index_of_another_kind_or_metric_is_refused(tmp_path, kind):
    faiss.write_index(kind, str(tmp_path / "vectors"))
    with pytest.raises(IndexDamagedError, match="frontdesk index"):
        FaissIndex.load(tmp_path / "vectors")


def test_build_index_numbers_the_vectors_or_takes_their_ids():
    vectors = unit_vectors(3)
    np.testing.assert_array_equal(build_index(vectors).reconstruct(np.array([2, 0])), vectors[[2, 0]])
    np.testing.assert_array_equal(build_index(vectors, [9, 8, 7]).reconstruct(np.array([7, 9])), vectors[[2, 0]])
