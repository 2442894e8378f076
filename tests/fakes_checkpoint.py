"""Checkpoints for tests: sealed as a trainer does, or by hand as someone with bad intentions would."""

import json
import shutil
from pathlib import Path
from typing import Any

from kb.sealed import SEAL, file_hash, file_names, sealed
from models.checkpoints import MANIFEST, Checkpoint, draft, seal

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


def seal_by_hand(path: Path, **changed: Any) -> None:
    """Write the manifest that fits what lies in a checkpoint now; `changed` are fields of it."""
    document = json.loads((path / MANIFEST).read_text())
    del document[SEAL]
    files = {name: file_hash(path / name) for name in file_names(path) if name != MANIFEST}
    (path / MANIFEST).write_text(json.dumps(sealed({**document, "files": files, **changed})))
