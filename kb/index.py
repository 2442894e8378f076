"""The vector index: a protocol, and FAISS behind it. Vectors are unit vectors, so that inner product is cosine."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from kb.errors import IndexDamagedError, describe
from kb.types import FloatArray

IdArray = NDArray[np.int64]

METRIC = "inner_product"
_FEW = 16


class VectorIndex(Protocol):
    """Vectors by id, searched by cosine; one thread writes, any number search."""

    @property
    def dimension(self) -> int:
        """Length d of a vector."""

    def __len__(self) -> int:
        """Return the number of vectors."""

    def add(self, ids: IdArray, vectors: FloatArray) -> None:
        """Add unit vectors (n, d) under new ids (n,).

        Raises:
            ValueError: the shapes don't fit, or an id is known.
        """

    def remove(self, ids: IdArray) -> int:
        """Remove vectors, and return how many were there."""

    def search(self, vectors: FloatArray, top_k: int) -> tuple[FloatArray, IdArray]:
        """Return cosines and ids (q, k) of the nearest vectors, nearest first; k = min(top_k, number of vectors).

        Raises:
            ValueError: the vectors are not (q, d).
        """

    def reconstruct(self, ids: IdArray) -> FloatArray:
        """Return the vectors (n, d) of known ids, in the order given; KeyError for an unknown one."""

    def save(self, path: Path) -> None:
        """Write the index to a file."""


class FaissIndex:
    """Exact search in process: FAISS `IndexIDMap2` over `IndexFlatIP`."""

    def __init__(self, dimension: int) -> None:
        """Make an empty index for vectors of this length."""
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
        self._ids: set[int] = set()

    @property
    def dimension(self) -> int:
        """Length d of a vector."""
        return int(self._index.d)

    def __len__(self) -> int:
        """Return the number of vectors."""
        return int(self._index.ntotal)

    def add(self, ids: IdArray, vectors: FloatArray) -> None:
        """Add unit vectors (n, d) under new ids (n,).

        Raises:
            ValueError: the shapes don't fit, or an id is known.
        """
        if vectors.ndim != 2 or vectors.shape != (len(ids), self.dimension):
            raise ValueError(f"expected vectors of shape ({len(ids)}, {self.dimension}); got {vectors.shape}")
        given = set(map(int, ids))
        if len(given) != len(ids) or given & self._ids:
            raise ValueError("expected new ids, each once; got one that is known")
        self._index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), np.asarray(ids, dtype=np.int64))
        self._ids |= given

    def remove(self, ids: IdArray) -> int:
        """Remove vectors, and return how many were there."""
        self._ids -= set(map(int, ids))
        selector = faiss.IDSelectorBatch(np.asarray(ids, dtype=np.int64))
        return int(self._index.remove_ids(selector))

    def search(self, vectors: FloatArray, top_k: int) -> tuple[FloatArray, IdArray]:
        """Return cosines and ids (q, k) of the nearest vectors, nearest first; k = min(top_k, number of vectors).

        Raises:
            ValueError: the vectors are not (q, d).
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ValueError(f"expected vectors of shape (q, {self.dimension}); got {vectors.shape}")
        # FAISS pads with id -1 when fewer vectors are there than asked for.
        k = min(top_k, len(self))
        if k == 0:
            return np.empty((len(vectors), 0), dtype=np.float32), np.empty((len(vectors), 0), dtype=np.int64)
        # For few questions the threads of OpenMP wait for each other longer than they compute: on busy cores tens of
        # milliseconds instead of half a one. The setting is that of the calling thread, so it is made at every call.
        faiss.omp_set_num_threads(1 if len(vectors) < _FEW else os.cpu_count() or 1)
        similarities, ids = self._index.search(np.ascontiguousarray(vectors, dtype=np.float32), k)
        return similarities, ids

    def reconstruct(self, ids: IdArray) -> FloatArray:
        """Return the vectors (n, d) of known ids, in the order given; KeyError for an unknown one."""
        unknown = [int(each) for each in ids if int(each) not in self._ids]
        if unknown:
            raise KeyError(unknown[0])
        if len(ids) == 0:
            return np.empty((0, self.dimension), dtype=np.float32)
        return np.asarray(self._index.reconstruct_batch(np.asarray(ids, dtype=np.int64)), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write the index to a file."""
        faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the index in a file.

        Raises:
            IndexDamagedError: the file is missing, or not an index of this kind.
        """
        try:
            found = faiss.read_index(str(path))
        except RuntimeError as error:
            raise _damaged(path, "a file that FAISS can't read") from error
        if not isinstance(found, faiss.IndexIDMap2) or found.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise _damaged(path, type(found).__name__)
        loaded = cls(found.d)
        loaded._index = found
        loaded._ids = set(map(int, faiss.vector_to_array(found.id_map)))
        return loaded


def build_index(vectors: FloatArray, ids: Sequence[int] | None = None) -> FaissIndex:
    """Return an index of unit vectors (n, d) under the given ids, or under 0 to n - 1."""
    index = FaissIndex(vectors.shape[1])
    index.add(np.arange(len(vectors), dtype=np.int64) if ids is None else np.asarray(ids, dtype=np.int64), vectors)
    return index


def _damaged(path: Path, got: str) -> IndexDamagedError:
    return IndexDamagedError(describe(expected=f"a vector index in {path}", got=got, remedy="run `frontdesk index`"))
