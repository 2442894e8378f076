"""A published state of the knowledge base on disk: pairs, both indexes and calibration, with a manifest written last.

    index/
      CURRENT                      the name of the snapshot that serves; replaced by an atomic rename
      <snapshot id>/
        pairs.jsonl  transitions.json  vectors.faiss  lexical/  calibration.json  arrays.npz
        manifest.json              what it was made of, and the hash of every file and of itself; a folder without it
                                   is not whole

Answering needs nothing else: a server goes on while the database is away.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from kb.entries import Entry, entries_of
from kb.errors import IndexDamagedError, IndexMissingError, IndexStaleError, describe
from kb.index import METRIC, FaissIndex
from kb.lexical import LexicalIndex
from kb.retriever import RetrievalConfig, Retriever, main_locale
from kb.text import text_hash
from kb.types import Encoder, FloatArray, QAPair, Transition

FORMAT = 1
CURRENT = "CURRENT"
MANIFEST = "manifest.json"
REMEDY = "run `frontdesk index` to build it again"
_KEPT = 3
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a snapshot was made of."""

    snapshot_id: str
    format: int
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
    seal: str = ""
    """Hash of everything else that the manifest says."""


@dataclass(frozen=True, kw_only=True)
class CheckedSnapshot:
    """A whole snapshot, and what of it costs nothing to read."""

    manifest: Manifest
    transitions: tuple[Transition, ...]
    calibration: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class LoadedSnapshot:
    """A snapshot in memory, checked."""

    manifest: Manifest
    retriever: Retriever
    transitions: tuple[Transition, ...]
    calibration: Mapping[str, Any]
    arrays: Mapping[str, FloatArray]


def publish(
    folder: Path,
    *,
    retriever: Retriever,
    index: FaissIndex,
    lexical: LexicalIndex,
    transitions: Sequence[Transition],
    calibration: Mapping[str, Any],
    corpus_hash: str,
    knowledge_version: int,
    arrays: Mapping[str, FloatArray] | None = None,
) -> Manifest:
    """Write a snapshot into a new folder, then make it the current one; older ones but a few are removed.

    `calibration` and `arrays` are kept for whoever fitted them; nothing is known of them here.

    What is killed half-way leaves a folder without a manifest, which the next call removes, and the old one serving.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    snapshot_id = f"{now:%Y%m%dT%H%M%S%f}-{corpus_hash[:8]}-{uuid4().hex[:4]}"
    target = folder / snapshot_id
    (target / "lexical").mkdir(parents=True)
    _write_json_lines(target / "pairs.jsonl", [asdict(pair) for pair in retriever.pairs])
    _write_json(target / "transitions.json", [asdict(each) for each in transitions])
    _write_json(target / "calibration.json", dict(calibration))
    np.savez(target / "arrays.npz", allow_pickle=False, **dict(arrays or {}))
    index.save(target / "vectors.faiss")
    lexical.save(target / "lexical")
    manifest = Manifest(
        snapshot_id=snapshot_id,
        format=FORMAT,
        encoder_id=retriever.encoder.encoder_id,
        dimension=index.dimension,
        metric=METRIC,
        pair_count=len(retriever.pairs),
        vector_count=len(index),
        corpus_hash=corpus_hash,
        knowledge_version=knowledge_version,
        retrieval=asdict(retriever.config),
        files={name: _hash(target / name) for name in _names(target)},
        created_at=now.isoformat(),
    )
    manifest = replace(manifest, seal=_seal(manifest))
    _write_json(target / MANIFEST, asdict(manifest))
    activate(folder, snapshot_id)
    _remove_old(folder, snapshot_id)
    return manifest


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


def read_manifest(folder: Path, snapshot_id: str) -> Manifest:
    """Return the manifest of a snapshot, without looking at its files.

    Raises:
        IndexDamagedError: there is none, or it was changed.
        IndexStaleError: it is of another format.
    """
    path = folder / snapshot_id / MANIFEST
    try:
        document = _read_json(path)
        _require_format(document["format"])
        manifest = Manifest(**document)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise IndexDamagedError(describe(expected=f"a manifest at {path}", got=str(error), remedy=REMEDY)) from error
    if manifest.seal != _seal(manifest):
        raise IndexDamagedError(describe(expected=f"{path} as written", got="a changed one", remedy=REMEDY))
    return manifest


def check_snapshot(folder: Path, encoder: Encoder, snapshot_id: str | None = None) -> CheckedSnapshot:
    """Check every file of a snapshot, by default the current one, against its manifest, and load neither index.

    Raises:
        IndexMissingError: none was published.
        IndexDamagedError: a file is missing, cut short or changed.
        IndexStaleError: it was made with another encoder, or by a version of another format.
    """
    name = snapshot_id or current_id(folder)
    manifest = read_manifest(folder, name)
    _require_encoder(manifest, encoder)
    target = folder / name
    _require_whole(target, manifest)
    try:
        transitions = tuple(Transition(**each) for each in _read_json(target / "transitions.json"))
        calibration = _read_json(target / "calibration.json")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(target, error) from error
    return CheckedSnapshot(manifest=manifest, transitions=transitions, calibration=calibration)


def load_snapshot(folder: Path, encoder: Encoder, snapshot_id: str | None = None) -> LoadedSnapshot:
    """Return a snapshot, by default the current one, with every file checked against the manifest.

    Raises:
        IndexMissingError: none was published.
        IndexDamagedError: a file is missing, cut short or changed.
        IndexStaleError: it was made with another encoder, or by a version of another format.
    """
    name = snapshot_id or current_id(folder)
    checked = check_snapshot(folder, encoder, name)
    target = folder / name
    try:
        pairs = _read_pairs(target / "pairs.jsonl")
        config = RetrievalConfig(**checked.manifest.retrieval)
        with np.load(target / "arrays.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(target, error) from error
    entries: list[Entry] = list(entries_of(pairs, config.passage_words))
    retriever = Retriever(
        pairs=pairs,
        entries=entries,
        index=FaissIndex.load(target / "vectors.faiss"),
        lexical=LexicalIndex.load(target / "lexical", main_locale(pairs)),
        encoder=encoder,
        config=config,
    )
    return LoadedSnapshot(
        manifest=checked.manifest,
        retriever=retriever,
        transitions=checked.transitions,
        calibration=checked.calibration,
        arrays=arrays,
    )


def _damaged(target: Path, error: Exception) -> IndexDamagedError:
    return IndexDamagedError(describe(expected=f"a snapshot in {target}", got=str(error), remedy=REMEDY))


def _require_format(found: Any) -> None:
    if found != FORMAT:
        raise IndexStaleError(describe(expected=f"an index of format {FORMAT}", got=f"format {found}", remedy=REMEDY))


def _require_encoder(manifest: Manifest, encoder: Encoder) -> None:
    if manifest.encoder_id != encoder.encoder_id or manifest.dimension != encoder.dimension:
        raise IndexStaleError(
            describe(
                expected=f"an index of encoder {encoder.encoder_id} ({encoder.dimension} dimensions)",
                got=f"one of {manifest.encoder_id} ({manifest.dimension} dimensions)",
                remedy=REMEDY,
            )
        )


def _require_whole(target: Path, manifest: Manifest) -> None:
    for name, expected in manifest.files.items():
        try:
            found = _hash(target / name)
        except OSError as error:
            raise IndexDamagedError(
                describe(expected=f"{name} in {target}", got=error.strerror or str(error), remedy=REMEDY)
            ) from error
        if found != expected:
            raise IndexDamagedError(
                describe(expected=f"{target / name} with hash {expected[:12]}", got=f"hash {found[:12]}", remedy=REMEDY)
            )


def _remove_old(folder: Path, current: str) -> None:
    """Remove snapshots that were never finished, and all but the newest few: a server may still be reading those."""
    snapshots = sorted(path for path in folder.iterdir() if path.is_dir())
    whole = [path for path in snapshots if (path / MANIFEST).exists()]
    kept = {path.name for path in whole[-_KEPT:]} | {current}
    for path in snapshots:
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _names(target: Path) -> list[str]:
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())


def _seal(manifest: Manifest) -> str:
    return text_hash(json.dumps(asdict(replace(manifest, seal="")), sort_keys=True))


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _read_pairs(path: Path) -> list[QAPair]:
    with path.open(encoding="utf-8") as lines:
        documents = [json.loads(line) for line in lines]
    return [QAPair(**{**document, "phrasings": tuple(document["phrasings"])}) for document in documents]


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, document: Any) -> None:
    with path.open("w", encoding="utf-8") as stream:
        json.dump(document, stream, ensure_ascii=False, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def _write_json_lines(path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
