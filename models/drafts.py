"""Folders in which a checkpoint is made: each is locked by its process, so that what a dead one left is removed."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from kb.errors import CheckpointError, describe
from kb.sealed import locked, try_lock

PART = ".part"

# Drafts of this process, each with the descriptor that holds its lock: the kernel tells the others when it is dead.
_held: dict[Path, int] = {}


def draft(folder: Path) -> Path:
    """Return a new folder in which a checkpoint is made; what dead processes have left half-made is removed.

    Raises:
        CheckpointError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            _remove_dead(folder)
            part = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:4]}{PART}"
            part.mkdir()
            descriptor = try_lock(part)
            if descriptor is not None:
                _held[part] = descriptor
    except OSError as error:
        raise unwritten(folder, error) from error
    return part


def discard(part: Path) -> None:
    """Remove a draft."""
    shutil.rmtree(part, ignore_errors=True)
    _let_go(part)


def unwritten(path: Path, error: Exception) -> CheckpointError:
    """Return the error for a checkpoint that can't be written."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return CheckpointError(
        describe(
            expected=f"to write {path}", got=reason, remedy="make room on the disk, or mend the value, and train again"
        )
    )


def _remove_dead(folder: Path) -> None:
    """Remove the drafts whose process is dead: nobody holds their lock."""
    for part in folder.glob(f"*{PART}"):
        descriptor = try_lock(part) if part.is_dir() else None
        if descriptor is not None:
            shutil.rmtree(part, ignore_errors=True)
            os.close(descriptor)


def _let_go(part: Path) -> None:
    descriptor = _held.pop(part, None)
    if descriptor is not None:
        os.close(descriptor)
