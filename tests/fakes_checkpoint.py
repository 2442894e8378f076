"""Checkpoints for tests: sealed as a trainer does, or by hand as someone with bad intentions would."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bot.build import CHECKPOINTS
from bot.indexing import INDEX
from kb.errors import ModelError
from kb.manifest import Manifest, current_id, read_manifest
from kb.sealed import SEAL, file_hash, file_names, sealed
from models.checkpoints import MANIFEST, Checkpoint, draft, open_checkpoint, seal

ABOUT = {
    "base_model": "tiny",
    "data_hash": "ab" * 32,
    "config": {"epochs": 3, "learning_rate": 2e-5},
    "metrics": {"before": {"P@1": 0.5, "AUROC": 0.75}, "after": {"P@1": 0.625, "AUROC": 0.7}},
    "code_version": "0.1.0",
}


def drafted(folder: Path, model: Path) -> Path:
    """A draft with an encoder, and nothing else."""
    part = draft(folder)
    shutil.copytree(model, part / "encoder")
    return part


def make_checkpoint(folder: Path, model: Path, files: dict[str, Any] | None = None, **about: Any) -> Checkpoint:
    """Seal a checkpoint of a model; `files` are JSON documents to put in, by name."""
    part = drafted(folder, model)
    for name, document in (files or {}).items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_text(json.dumps(document))
    return seal(part, **(ABOUT | about))


def assert_refused(folder: Path, checkpoint_id: str, match: str = "") -> None:
    """Opening must say what was expected, what came and what to do."""
    with pytest.raises(ModelError, match=rf"(?s)expected .*; got .*{match}.*; ."):
        open_checkpoint(folder, checkpoint_id)


def files_of(path: Path) -> list[Path]:
    """All files under a folder, sorted."""
    return [each for each in sorted(path.rglob("*")) if each.is_file()]


def seal_by_hand(path: Path, **changed: Any) -> None:
    """Write the manifest that fits what lies in a checkpoint now; `changed` are fields of it."""
    document = json.loads((path / MANIFEST).read_text())
    del document[SEAL]
    files = {name: file_hash(path / name) for name in file_names(path) if name != MANIFEST}
    (path / MANIFEST).write_text(json.dumps(sealed({**document, "files": files, **changed})))


def current(var: Path) -> Manifest:
    """The manifest of the snapshot in service."""
    return read_manifest(var / INDEX, current_id(var / INDEX))


def served(var: Path) -> tuple[str, tuple[str, ...]]:
    """The checkpoint in service, and those before."""
    return current(var).checkpoint, current(var).lineage


def damage(var: Path, checkpoint_id: str) -> None:
    """Flip a byte in the middle of a checkpoint's weights."""
    path = var / CHECKPOINTS / checkpoint_id / "encoder" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
