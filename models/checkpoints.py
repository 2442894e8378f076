"""A checkpoint on disk: all that was trained together, with a manifest written last, and refused where it isn't whole.

    checkpoints/
      <checkpoint id>/
        encoder/            a sentence-transformers folder (`models/folder.py`)
        matcher/            a transformers sequence classifier, where one was trained
        runtime/            graphs exported from them, so that serving needs no torch
        calibration.json    fitted at training's end, where it was
        matching.json       how the matcher is used, where one was trained
        training.json       configuration, seed and data manifest
        metrics.json        before and after
        README.md           the model card
        manifest.json       what it was made of, the hash of every file and of itself
      <checkpoint id>.part/ one that is being made, locked by its process

Loading runs no code of a checkpoint: only files of known kinds are let in (`models/safe_files.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kb.errors import CheckpointError, describe
from kb.sealed import SEAL, file_hash, is_sealed, read_json, sealed, sync, write_json
from kb.types import ZERO_SHOT
from models.calibrate import Calibration, from_json
from models.drafts import PART, discard, draft, unwritten
from models.folder import open_model
from models.matcher import MatchSettings
from models.model_card import model_card
from models.safe_files import check_contents, is_within, refused, regular_files

__all__ = ["Checkpoint", "discard", "draft", "find_id", "list_checkpoints", "open_checkpoint", "seal"]

FORMAT = 1
ENCODER, MATCHER, RUNTIME = "encoder", "matcher", "runtime"
CALIBRATION, MATCHING = "calibration.json", "matching.json"
TRAINING, METRICS = "training.json", "metrics.json"
CARD, MANIFEST = "README.md", "manifest.json"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")
_REMEDY = "promote another one (`frontdesk checkpoints list`), or train it again"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What was trained together, and where it lies; of a damaged one nothing but id, path and problem is known."""

    checkpoint_id: str
    path: Path
    format: int = FORMAT
    base_model: str = ""
    created_at: str = ""
    code_version: str = ""
    data_hash: str = ""
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    """By `before` and `after`, each by the name of the metric."""
    files: Mapping[str, str]
    """SHA-256 of every file but the manifest, by its name relative to `path`."""
    calibration: Calibration | None = None
    """Known of an opened checkpoint."""
    matching: MatchSettings | None = None
    """Known of an opened checkpoint with a matcher."""
    problem: str = ""
    """Why it can't be used; empty where it can, as far as was looked."""

    @property
    def encoder(self) -> Path:
        """Folder of the encoder."""
        return self.path / ENCODER

    @property
    def matcher(self) -> Path | None:
        """Folder of the matcher, or None where none was trained."""
        return self.path / MATCHER if f"{MATCHER}/config.json" in self.files else None

    @property
    def runtime(self) -> Path:
        """Folder of the exported graphs, the `cache` of `models.encoder.load_encoder`."""
        return self.path / RUNTIME


def seal(
    part: Path,
    *,
    base_model: str,
    data_hash: str,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    code_version: str,
) -> Checkpoint:
    """Make a draft a checkpoint: write its card, hash every file, write the manifest last, and rename it.

    When this returns all of it is on the disk; when it raises nothing of it is left. `training.json` is written here
    where the trainer has left none.

    Raises:
        CheckpointError: no room, a file that a checkpoint may not hold, a model that is missing, a metric that is no
            number.
    """
    if not part.name.endswith(PART):
        raise CheckpointError(describe(expected="a draft", got=str(part), remedy="begin with `draft`"))
    target = part.with_name(part.name.removesuffix(PART))
    about = {
        "checkpoint_id": target.name,
        "format": FORMAT,
        "base_model": base_model,
        "created_at": datetime.now(UTC).isoformat(),
        "code_version": code_version,
        "data_hash": data_hash,
        "config": dict(config),
        "metrics": dict(metrics),
    }
    try:
        _write_about(part, about)
        names = [name for name in regular_files(part) if name != MANIFEST]
        _check(part, names)
        for path in (*(part / name for name in names), *{(part / name).parent for name in names}):
            sync(path)
        files = {name: file_hash(part / name) for name in names}
        write_json(part / MANIFEST, sealed({**about, "files": files}))
        sync(part)
        part.rename(target)
        sync(target.parent)
    except (OSError, ValueError, TypeError) as error:
        raise unwritten(part, error) from error
    finally:
        # After the rename there is nothing at this name.
        discard(part)
    return _read(target)


def open_checkpoint(folder: Path, checkpoint_id: str) -> Checkpoint:
    """Return a checkpoint with every file checked against its manifest; nothing of it is loaded or run.

    Raises:
        CheckpointError: there is none, a file is missing, changed, unknown or of a kind that could run code.
        ModelError: its encoder is refused.
    """
    path = _path_of(folder, checkpoint_id)
    try:
        names = regular_files(path)
        checkpoint = _listed(path, names)
        for name, expected in checkpoint.files.items():
            found = file_hash(path / name)
            if found != expected:
                raise _damaged(path / name, f"hash {expected[:12]}", f"hash {found[:12]}")
        _check(path, list(checkpoint.files))
        calibration = from_json(read_json(path / CALIBRATION)) if CALIBRATION in checkpoint.files else None
        matching = MatchSettings(**read_json(path / MATCHING)) if MATCHING in checkpoint.files else None
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path, "a whole checkpoint", str(error)) from error
    return replace(checkpoint, calibration=calibration, matching=matching)


def list_checkpoints(folder: Path) -> list[Checkpoint]:
    """Return all checkpoints, the newest last; a damaged one says so in `problem`.

    Only names and manifests are looked at here; `open_checkpoint` checks every byte.
    """
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.endswith(PART) or path.name.startswith("."):
            continue
        try:
            found.append(_listed(_path_of(folder, path.name), regular_files(path)))
        except (CheckpointError, OSError) as error:
            found.append(
                Checkpoint(checkpoint_id=path.name, path=path, config={}, metrics={}, files={}, problem=str(error))
            )
    return found


def find_id(folder: Path, prefix: str) -> str:
    """Return the id of the only checkpoint that begins so; `zero-shot` is what serves where nothing was trained.

    Raises:
        CheckpointError: none begins so, or several.
    """
    if prefix == ZERO_SHOT:
        return ZERO_SHOT
    ids = [each.checkpoint_id for each in list_checkpoints(folder)]
    found = [prefix] if prefix in ids else [each for each in ids if prefix and each.startswith(prefix)]
    if len(found) != 1:
        raise CheckpointError(
            describe(
                expected="the id of one checkpoint, or its beginning",
                got=f"{prefix!r}, which {'none has' if not found else 'fits ' + ', '.join(found)}",
                remedy="see `frontdesk checkpoints list`",
            )
        )
    return found[0]


def _write_about(part: Path, about: Mapping[str, Any]) -> None:
    if not (part / TRAINING).exists():
        write_json(part / TRAINING, {"config": about["config"], "data_hash": about["data_hash"]})
    write_json(part / METRICS, about["metrics"])
    card = model_card(about, has_matcher=(part / MATCHER / "config.json").is_file())
    (part / CARD).write_text(card, encoding="utf-8")


def _check(path: Path, names: list[str]) -> None:
    """Look into the files of a checkpoint, and make sure that the encoder can be opened, and the matcher is whole."""
    check_contents(path, names)
    models = [ENCODER, *([MATCHER] if any(name.startswith(f"{MATCHER}/") for name in names) else [])]
    for needed in [f"{model}/{file}" for model in models for file in _MODEL_FILES]:
        if needed not in names:
            raise _damaged(path / needed, "a file of the model", "none")
    open_model(str(path / ENCODER))


def _path_of(folder: Path, checkpoint_id: str) -> Path:
    path = folder / checkpoint_id
    if not _ID.fullmatch(checkpoint_id) or checkpoint_id == ZERO_SHOT:
        raise CheckpointError(
            describe(
                expected="the id of a checkpoint: letters, digits, - and _",
                got=repr(checkpoint_id),
                remedy="see `frontdesk checkpoints list`",
            )
        )
    if path.is_symlink():
        raise refused(path, "a folder", "a link")
    if not path.is_dir():
        raise _damaged(path, "a folder with a checkpoint", "a file" if path.exists() else "none")
    return path


def _listed(path: Path, names: list[str]) -> Checkpoint:
    """Return what the manifest says, and make sure that it names these files and no others."""
    checkpoint = _read(path)
    for name in checkpoint.files:
        if not is_within(name):
            raise refused(path / MANIFEST, "names of files in the checkpoint", repr(name))
    present, known = set(names) - {MANIFEST}, set(checkpoint.files)
    for name in sorted(known - present):
        raise _damaged(path / name, "a file that the manifest names", "none")
    for name in sorted(present - known):
        raise refused(path / name, "nothing that the manifest doesn't name", "a file")
    return checkpoint


def _read(path: Path) -> Checkpoint:
    try:
        document = read_json(path / MANIFEST)
        if document["format"] != FORMAT:
            raise _damaged(path / MANIFEST, f"a checkpoint of format {FORMAT}", f"format {document['format']}")
        if not is_sealed(document) or document["checkpoint_id"] != path.name:
            raise _damaged(path / MANIFEST, "a manifest as it was written here", "a changed one")
        return Checkpoint(path=path, **{name: value for name, value in document.items() if name != SEAL})
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(path / MANIFEST, "a manifest", repr(error)) from error


def _damaged(path: Path, expected: str, got: str) -> CheckpointError:
    return CheckpointError(describe(expected=f"{expected} at {path}", got=got, remedy=_REMEDY))
