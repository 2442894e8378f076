"""Folders that are written once: the hash of every file in a manifest, a seal over the manifest, one writer at a time.

Index snapshots and checkpoints are such folders. Nothing here knows what is in them.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SEAL = "seal"
_BLOCK = 1 << 20


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in 64 hexadecimal digits; OSError where it can't be read."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def file_names(folder: Path) -> list[str]:
    """Return every file below a folder, relative to it, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON document with its seal: the hash of everything else that it says."""
    return {**document, SEAL: _seal(document)}


def is_sealed(document: Mapping[str, Any]) -> bool:
    """Return whether a document says what it did when it was sealed."""
    return document.get(SEAL) == _seal(document)


def read_json(path: Path) -> Any:
    """Return the document in a file; OSError or ValueError where there is none."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, document: Any) -> None:
    """Write a document, and return when it is on the disk; ValueError for what JSON can't hold, such as NaN."""
    with path.open("w", encoding="utf-8") as stream:
        json.dump(document, stream, ensure_ascii=False, indent=1, allow_nan=False)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Return when a file, or the list of names of a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(folder: Path) -> int | None:
    """Return a descriptor that holds the lock of a folder until it is closed, or None where another one holds it.

    The kernel lets go of it when the process ends, however it ends.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; waits for whoever has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _seal(document: Mapping[str, Any]) -> str:
    text = json.dumps({key: value for key, value in document.items() if key != SEAL}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
