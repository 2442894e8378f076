"""Which checkpoint serves: promote one, or roll back to the one before.

Both publish a snapshot of the present knowledge base under the checkpoint's encoder, and `index/CURRENT` is the one
switch: until it is replaced, nothing has changed for a running server.
"""

from functools import partial
from pathlib import Path

from bot.build import CHECKPOINTS, open_models
from bot.config import Config
from bot.indexing import IndexReport, Progress, update_index
from bot.serving import Served
from kb.store import KnowledgeStore
from models.checkpoints import find_id


def promote(
    var: Path, store: KnowledgeStore, config: Config, checkpoint_id: str, progress: Progress | None = None
) -> IndexReport:
    """Put a checkpoint in service, once every file of it is checked; `zero-shot` is the configured encoder.

    A kept snapshot of the present knowledge base under the checkpoint is served again; else one is built, which
    encodes only what the checkpoint's encoder has not encoded before.

    Args:
        var: data folder.
        store: the knowledge base.
        config: see `Config`.
        checkpoint_id: an id, or a beginning that only one has.
        progress: told of each stage.

    Raises:
        ModelError: the checkpoint is missing, damaged or refused; what serves goes on.
        StorageError: the database can't be read.
    """
    found = find_id(var / CHECKPOINTS, checkpoint_id)

    def turn(before: Served | None) -> Served:
        return before.promoted(found) if before else Served(checkpoint=found)

    return update_index(store, partial(open_models, var, config), var, config, turn=turn, progress=progress)


def rollback(var: Path, store: KnowledgeStore, config: Config, progress: Progress | None = None) -> IndexReport:
    """Put the checkpoint in service that was before, or `zero-shot` where none was; see `promote`.

    Raises:
        CheckpointError: nothing trained serves, and nothing did before.
        ModelError: the one before is missing, damaged or refused; what serves goes on.
        StorageError: the database can't be read.
    """

    def turn(before: Served | None) -> Served:
        return (before or Served()).rolled_back()

    return update_index(store, partial(open_models, var, config), var, config, turn=turn, progress=progress)
