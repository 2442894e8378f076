"""What a snapshot says of itself, and `CURRENT`, the one switch for the snapshot and the checkpoint that serve."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.errors import (
    IndexDamagedError,
    IndexMissingError,
    IndexReplacedError,
    IndexStaleError,
    VectorIndexError,
    describe,
)
from kb.sealed import SEAL, is_sealed, read_json

FORMAT = 2
CURRENT = "CURRENT"
MANIFEST = "manifest.json"
REMEDY = "run `frontdesk index` to build it again"


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a snapshot was made of."""

    snapshot_id: str
    format: int
    checkpoint: str
    """Id of the checkpoint whose models made it and serve it; `zero-shot` where nothing was trained."""
    lineage: tuple[str, ...]
    """Checkpoints that served before this one, oldest first: the way back."""
    encoder_id: str
    dimension: int
    metric: str
    pair_count: int
    vector_count: int
    corpus_hash: str
    knowledge_version: int
    retrieval: Mapping[str, Any]
    files: Mapping[str, str]
    created_at: str


def activate(folder: Path, snapshot_id: str) -> None:
    """Make a snapshot the current one, by an atomic rename."""
    part = folder / f"{CURRENT}.{os.getpid()}.part"
    part.write_text(snapshot_id, encoding="utf-8")
    part.replace(folder / CURRENT)


def current_id(folder: Path) -> str:
    """Return the id of the current snapshot.

    Raises:
        IndexMissingError: none was published.
    """
    try:
        # What is damaged beyond UTF-8 names no snapshot either, and is refused as one that is not there.
        return (folder / CURRENT).read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IndexMissingError(
            describe(expected=f"an index in {folder}", got="none", remedy="run `frontdesk index`, or `frontdesk demo`")
        ) from error


def current_or_empty(folder: Path) -> str:
    """Return the id of the current snapshot, empty where there is none."""
    try:
        return current_id(folder)
    except IndexMissingError:
        return ""


def read_manifest(folder: Path, snapshot_id: str) -> Manifest:
    """Return the manifest of a snapshot, without looking at its files.

    Raises:
        IndexDamagedError: there is none, or it was changed.
        IndexStaleError: it is of another format.
    """
    path = folder / snapshot_id / MANIFEST
    try:
        document = read_json(path)
        _require_format(document["format"])
        is_whole = is_sealed(document)
        del document[SEAL]
        manifest = Manifest(**{**document, "lineage": tuple(document["lineage"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise IndexDamagedError(describe(expected=f"a manifest at {path}", got=str(error), remedy=REMEDY)) from error
    if not is_whole:
        raise IndexDamagedError(describe(expected=f"{path} as written", got="a changed one", remedy=REMEDY))
    return manifest


def kept_manifests(folder: Path) -> list[Manifest]:
    """Return the manifests of all snapshots that can be read: the current one first, then the newest first."""
    current = current_or_empty(folder)
    names = sorted((path.parent.name for path in folder.glob(f"*/{MANIFEST}")), reverse=True)
    found = []
    for name in sorted(names, key=lambda each: each != current):
        with suppress(VectorIndexError):
            found.append(read_manifest(folder, name))
    return found


def require_current(folder: Path, expected: str | None) -> None:
    """Make sure that a snapshot is the current one still, empty for none; None asks for nothing.

    Raises:
        IndexReplacedError: it is not.
    """
    if expected is None:
        return
    found = current_or_empty(folder)
    if found != expected:
        raise IndexReplacedError(
            describe(
                expected=f"{expected or 'no'} snapshot in service as before",
                got=f"{found or 'none'}, published meanwhile",
                remedy="run the command again",
            )
        )


def _require_format(found: Any) -> None:
    if found != FORMAT:
        raise IndexStaleError(describe(expected=f"an index of format {FORMAT}", got=f"format {found}", remedy=REMEDY))
