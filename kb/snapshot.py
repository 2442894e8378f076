"""A published state of the knowledge base on disk: pairs, both indexes and calibration, with a manifest written last.

    index/
      CURRENT                      the name of the snapshot that serves; replaced by an atomic rename
      <snapshot id>/
        pairs.jsonl  transitions.json  vectors.faiss  lexical/  calibration.json  arrays.npz
        manifest.json              what it was made of and which checkpoint serves it, the hash of every file and of
                                   itself (`kb/manifest.py`); a folder without it is not whole

Answering needs this and the models of the checkpoint: a server goes on while the database is away. `CURRENT` is the one
switch for all of it.
"""

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
from kb.errors import IndexDamagedError, IndexStaleError, describe
from kb.index import METRIC, FaissIndex
from kb.lexical import LexicalIndex
from kb.manifest import FORMAT, MANIFEST, REMEDY, Manifest, activate, current_id, read_manifest, require_current
from kb.retriever import RetrievalConfig, Retriever, main_locale
from kb.sealed import file_hash, file_names, locked, read_json, sealed, write_json
from kb.types import ZERO_SHOT, Encoder, FloatArray, QAPair, Transition

_KEPT = 3


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
    checkpoint: str = ZERO_SHOT,
    lineage: tuple[str, ...] = (),
    replaces: str | None = None,
) -> Manifest:
    """Write a snapshot into a new folder, then make it the current one; older ones but a few are removed.

    `calibration` and `arrays` are kept for whoever fitted them; nothing is known of them here. `replaces` is the
    snapshot that must be the current one still, empty for none: what was made of an older state replaces no newer one.

    What is killed half-way leaves a folder without a manifest, which the next call removes, and the old one serving.

    Raises:
        IndexReplacedError: another snapshot than `replaces` is the current one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        require_current(folder, replaces)
        snapshot_id, created_at = _new_id(corpus_hash)
        target = folder / snapshot_id
        (target / "lexical").mkdir(parents=True)
        _write_json_lines(target / "pairs.jsonl", [asdict(pair) for pair in retriever.pairs])
        write_json(target / "transitions.json", [asdict(each) for each in transitions])
        write_json(target / "calibration.json", dict(calibration))
        np.savez(target / "arrays.npz", allow_pickle=False, **dict(arrays or {}))
        index.save(target / "vectors.faiss")
        lexical.save(target / "lexical")
        manifest = Manifest(
            snapshot_id=snapshot_id,
            format=FORMAT,
            checkpoint=checkpoint,
            lineage=lineage,
            encoder_id=retriever.encoder.encoder_id,
            dimension=index.dimension,
            metric=METRIC,
            pair_count=len(retriever.pairs),
            vector_count=len(index),
            corpus_hash=corpus_hash,
            knowledge_version=knowledge_version,
            retrieval=asdict(retriever.config),
            files={name: file_hash(target / name) for name in file_names(target)},
            created_at=created_at,
        )
        _put_in_service(folder, manifest)
    return manifest


def serve_again(folder: Path, kept: Manifest, *, lineage: tuple[str, ...], replaces: str | None = None) -> Manifest:
    """Make a new snapshot of the same files out of a kept one that the caller has checked, and the new one current.

    A name of its own, although the old one is there: the newest snapshot is always the one that served last, and a
    server that refused the old name looks again.

    Raises:
        IndexReplacedError: another snapshot than `replaces` is the current one; see `publish`.
    """
    with locked(folder):
        require_current(folder, replaces)
        snapshot_id, created_at = _new_id(kept.corpus_hash)
        left_out = shutil.ignore_patterns(MANIFEST)
        shutil.copytree(folder / kept.snapshot_id, folder / snapshot_id, ignore=left_out, copy_function=_linked)
        manifest = replace(kept, snapshot_id=snapshot_id, lineage=lineage, created_at=created_at)
        _put_in_service(folder, manifest)
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
        transitions = tuple(Transition(**each) for each in read_json(target / "transitions.json"))
        calibration = read_json(target / "calibration.json")
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
            found = file_hash(target / name)
        except OSError as error:
            raise IndexDamagedError(
                describe(expected=f"{name} in {target}", got=error.strerror or str(error), remedy=REMEDY)
            ) from error
        if found != expected:
            raise IndexDamagedError(
                describe(expected=f"{target / name} with hash {expected[:12]}", got=f"hash {found[:12]}", remedy=REMEDY)
            )


def _new_id(corpus_hash: str) -> tuple[str, str]:
    """Return an id that sorts by time, and that time."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S%f}-{corpus_hash[:8]}-{uuid4().hex[:4]}", now.isoformat()


def _put_in_service(folder: Path, manifest: Manifest) -> None:
    write_json(folder / manifest.snapshot_id / MANIFEST, sealed(asdict(manifest)))
    activate(folder, manifest.snapshot_id)
    _remove_old(folder, manifest.snapshot_id)


def _linked(source: str, target: str) -> None:
    """Give a file that is never written again a second name; copy it where the file system has no such names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _remove_old(folder: Path, current: str) -> None:
    """Remove snapshots that were never finished, and all but the newest few: a server may still be reading those."""
    snapshots = sorted(path for path in folder.iterdir() if path.is_dir())
    whole = [path for path in snapshots if (path / MANIFEST).exists()]
    kept = {path.name for path in whole[-_KEPT:]} | {current}
    for path in snapshots:
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _read_pairs(path: Path) -> list[QAPair]:
    with path.open(encoding="utf-8") as lines:
        documents = [json.loads(line) for line in lines]
    return [QAPair(**{**document, "phrasings": tuple(document["phrasings"])}) for document in documents]


def _write_json_lines(path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
