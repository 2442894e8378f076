"""What the loop asks of that which is trained, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

from torch import nn

from models.training.passes import Hardware
from models.training.processes import Share

Stopped = Literal["done", "early", "interrupted"]


class Task(Protocol):
    """What is trained: a module, its batches and their loss."""

    @property
    def module(self) -> nn.Module:
        """What has the parameters."""

    @property
    def embeddings(self) -> nn.Parameter | None:
        """The word embeddings, for an attack on them; None where they are frozen."""

    @property
    def epoch_steps(self) -> float:
        """Batches in which everything is seen once."""

    def backward(self, step: int, where: Hardware, share: Share) -> float:
        """Add the gradient of our share of batch `step`; return our share of its loss."""

    def prepare(self, step: int) -> None:
        """Do what is to be done before a step, such as mining negatives anew; called for every step."""

    def validate(self) -> float:
        """Return the validation metric, higher is better; NaN where there is nothing to validate on."""

    def state(self) -> dict[str, Any]:
        """Return what `prepare` keeps between steps: arrays by name."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` gave."""


@dataclass(kw_only=True)
class Curve:
    """What was measured on the way, and how it ended."""

    losses: list[tuple[int, float]] = field(default_factory=list)
    metrics: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    best_metric: float | None = None
    stopped: Stopped = "done"
    seconds: float = 0.0
    items: int = 0

    def measured(self) -> dict[str, Any]:
        """Return what was measured so far, as plain values."""
        return {
            "losses": self.losses,
            "metrics": self.metrics,
            "best_step": self.best_step,
            "best_metric": self.best_metric,
        }

    @classmethod
    def of(cls, measured: Mapping[str, Any]) -> Self:
        """Return the curve that goes on from what `measured` gave."""
        return cls(
            losses=[(int(step), float(value)) for step, value in measured["losses"]],
            metrics=[(int(step), float(value)) for step, value in measured["metrics"]],
            best_step=measured["best_step"],
            best_metric=measured["best_metric"],
        )
