"""Vectors that were encoded before, on disk: only new content is encoded, and a build that was killed goes on.

A shard is one `.npz` of hashes and vectors, written under another name and renamed when it is whole.
"""

import zipfile
from collections.abc import Callable, Iterator, Sequence
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
        keys = [_key(text) for text in texts]
        places = self._read(set(keys))
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in places}
        self._encode_new(new, places, progress)
        vectors = np.empty((len(texts), self._encoder.dimension), dtype=np.float32)
        for position, key in enumerate(keys):
            vectors[position] = places[key]
        return vectors, len(new)

    def prune(self, texts: Sequence[str]) -> None:
        """Forget all vectors but those of the given texts, where the cache has become twice as large as they are."""
        shards = sorted(self._folder.glob("*.npz"))
        wanted = {_key(text) for text in texts}
        stored = sum(len(_load(shard)[0]) for shard in shards)
        if stored < 2 * max(len(wanted), SHARD_TEXTS):
            return
        kept = self._read(wanted)
        written = self._write(list(kept), np.stack(list(kept.values()))) if kept else None
        for shard in shards:
            if shard != written:
                shard.unlink()

    def _encode_new(
        self, new: dict[bytes, str], places: dict[bytes, Any], progress: Callable[[int, int], None] | None
    ) -> None:
        # Texts of like length together make batches without padding, in shards as well.
        keys = sorted(new, key=lambda key: len(new[key]))
        if progress is not None:
            progress(0, len(keys))
        for start in range(0, len(keys), SHARD_TEXTS):
            some = keys[start : start + SHARD_TEXTS]
            vectors = self._encoder.encode([new[key] for key in some])
            self._write(some, vectors)
            places.update(zip(some, vectors, strict=True))
            if progress is not None:
                progress(start + len(some), len(keys))

    def _read(self, wanted: set[bytes]) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {}
        for shard in sorted(self._folder.glob("*.npz")):
            keys, vectors = _load(shard)
            if vectors.ndim == 2 and vectors.shape[1] == self._encoder.dimension:
                found.update((key, vector) for key, vector in zip(keys, vectors, strict=True) if key in wanted)
        return found

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
