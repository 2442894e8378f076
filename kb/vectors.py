"""Vectors that were encoded before, on disk: only new content is encoded, and a build that was killed goes on.

A shard is one `.npz` of hashes and vectors, written under another name and renamed when it is whole.
"""

import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kb.text import text_hash
from kb.types import Encoder, FloatArray

SHARD_TEXTS = 2_000
"""Texts that are encoded at a time: what a kill can cost, and how often progress is told."""
_HASH_BYTES = 16


class VectorCache:
    """The vectors of one encoder, by the hash of the text; one process writes at a time."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        """Take a folder for all encoders; the cache has a folder of its own in it."""
        self._folder = folder / encoder.encoder_id
        self._encoder = encoder

    def encode(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> tuple[FloatArray, int]:
        """Return one unit vector per text, in the order given (n, d), and how many of them were encoded now.

        Args:
            texts: each may come several times.
            progress: called with the number of texts that are done, and of all that have to be.
        """
        places: dict[bytes, list[int]] = defaultdict(list)
        for position, text in enumerate(texts):
            places[_key(text)].append(position)
        vectors = np.empty((len(texts), self._encoder.dimension), dtype=np.float32)
        known: set[bytes] = set()
        for _, keys, stored in self._shards():
            known.update(_fill(vectors, places, keys, stored))
        # Texts of like length together make batches without padding, in shards as well.
        new = sorted(places.keys() - known, key=lambda key: (len(texts[places[key][0]]), key))
        if progress is not None:
            progress(0, len(new))
        for start in range(0, len(new), SHARD_TEXTS):
            some = new[start : start + SHARD_TEXTS]
            encoded = self._encoder.encode([texts[places[key][0]] for key in some])
            self._write(some, encoded)
            _fill(vectors, places, some, encoded)
            if progress is not None:
                progress(start + len(some), len(new))
        return vectors, len(new)

    def prune(self, texts: Sequence[str]) -> None:
        """Forget all vectors but those of the given texts, where the cache has become twice as large as they are."""
        wanted = {_key(text) for text in texts}
        stored = sum(len(keys) for _, keys, _ in self._shards())
        if stored < 2 * max(len(wanted), SHARD_TEXTS):
            return
        for shard, keys, vectors in self._shards():
            kept = [at for at, key in enumerate(keys) if key in wanted]
            if kept and len(kept) < len(keys):
                self._write([keys[at] for at in kept], vectors[kept])
            if len(kept) < len(keys):
                shard.unlink()

    def _shards(self) -> Iterator[tuple[Path, list[bytes], FloatArray]]:
        """Yield the shards one after the other, so that one is in memory; none of another dimension."""
        for shard in sorted(self._folder.glob("*.npz")):
            keys, vectors = _load(shard)
            if vectors.ndim == 2 and vectors.shape[1] == self._encoder.dimension:
                yield shard, keys, vectors
            else:
                yield shard, [], np.empty((0, self._encoder.dimension), dtype=np.float32)

    def _write(self, keys: Sequence[bytes], vectors: FloatArray) -> Path:
        """Write a shard, and return its path: named after its keys, so that another one is another file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        joined = b"".join(keys)
        packed = np.frombuffer(joined, dtype=np.uint8).reshape(len(keys), _HASH_BYTES)
        target = self._folder / f"{text_hash(joined.hex())[:24]}.npz"
        part = target.with_suffix(".part")
        with part.open("wb") as stream:
            np.savez(stream, keys=packed, vectors=vectors)
        part.replace(target)
        return target


def _fill(
    vectors: FloatArray, places: Mapping[bytes, Sequence[int]], keys: Sequence[bytes], found: FloatArray
) -> list[bytes]:
    """Put the found vectors (m, d) where their texts are, and return the keys of those that were wanted."""
    wanted = [at for at, key in enumerate(keys) if key in places]
    for at in wanted:
        vectors[places[keys[at]]] = found[at]
    return [keys[at] for at in wanted]


def _key(text: str) -> bytes:
    return bytes.fromhex(text_hash(text))[:_HASH_BYTES]


def _load(shard: Path) -> tuple[list[bytes], FloatArray]:
    """Return the keys and vectors of a shard; nothing of one that can't be read, so that it is encoded again."""
    try:
        with np.load(shard, allow_pickle=False) as arrays:
            keys, vectors = arrays["keys"], arrays["vectors"]
        if len(keys) != len(vectors):
            raise ValueError(f"{len(keys)} keys of {len(vectors)} vectors")
    # A flipped bit may also say that the file is encrypted, or packed in a way of the future (RuntimeError).
    except (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
        return [], np.empty((0, 0), dtype=np.float32)
    return list(_rows(keys)), vectors


def _rows(keys: Any) -> Iterator[bytes]:
    return (row.tobytes() for row in keys)
