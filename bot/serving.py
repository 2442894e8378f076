"""What serves: the models of a checkpoint, and the way back to those that served before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kb.errors import CheckpointError, describe
from kb.manifest import Manifest
from kb.types import ZERO_SHOT, Encoder
from models.calibrate import Calibration
from models.checkpoints import Checkpoint
from models.matcher import CrossEncoder, MatchSettings

KEPT_MODELS = 2
"""Checkpoints whose models a server keeps in memory: a rollback to the one before loads nothing."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models that make and serve a snapshot."""

    encoder: Encoder
    checkpoint: Checkpoint | None = None
    """None where nothing was trained."""
    cross_encoder: CrossEncoder | None = None
    """The trained matcher, or None."""
    settings: MatchSettings | None = None
    """How the matcher is used, or None."""
    calibration: Calibration | None = None
    """What was fitted at training's end; None where it is fitted on the knowledge base."""


ModelsOf = Callable[[str], Models]
"""Opens the models of a checkpoint, by its id; ModelError where they are missing, damaged or refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """Which checkpoint serves, and which ones did before, oldest first."""

    checkpoint: str = ZERO_SHOT
    lineage: tuple[str, ...] = ()

    def promoted(self, checkpoint: str) -> "Served":
        """Return what serves after a promotion; nothing changes where the checkpoint serves already."""
        if checkpoint == self.checkpoint:
            return self
        return Served(checkpoint=checkpoint, lineage=(*self.lineage, self.checkpoint))

    def rolled_back(self) -> "Served":
        """Return what served before this.

        Raises:
            CheckpointError: nothing trained serves.
        """
        if self.lineage:
            return Served(checkpoint=self.lineage[-1], lineage=self.lineage[:-1])
        if self.checkpoint != ZERO_SHOT:
            return Served()
        raise CheckpointError(
            describe(
                expected="a checkpoint in service, or one that was before",
                got="zero-shot, and none before",
                remedy="there is nothing to roll back; see `frontdesk checkpoints list`",
            )
        )


def served_by(kept: Sequence[Manifest]) -> Served | None:
    """Return what serves by the manifests that `kb.manifest.kept_manifests` gives, or None where nothing does."""
    return Served(checkpoint=kept[0].checkpoint, lineage=kept[0].lineage) if kept else None
