"""Where a training's scalars go: TensorBoard always, Weights & Biases where it is installed and set up."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol


class Writer(Protocol):
    """Takes scalars by name and step."""

    def scalar(self, name: str, value: float, step: int) -> None:
        """Note one value."""

    def close(self) -> None:
        """Write what is still held back."""


class TensorBoard:
    """Event files in a folder, for `tensorboard --logdir`."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is made."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def scalar(self, name: str, value: float, step: int) -> None:
        """Note one value."""
        self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is still held back."""
        self._writer.close()


class WeightsAndBiases:
    """A run at Weights & Biases; the library does as its WANDB_ variables say."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        """Take the run's name and configuration."""
        import wandb

        self._run = wandb.init(project="frontdesk", name=name, config=dict(config))

    def scalar(self, name: str, value: float, step: int) -> None:
        """Note one value."""
        self._run.log({name: value, "step": step})

    def close(self) -> None:
        """End the run."""
        self._run.finish()


class Writers:
    """Several writers as one; `prefix` tells the stages of a training apart."""

    def __init__(self, writers: list[Writer], prefix: str = "") -> None:
        """Take the writers, and what stands before each name."""
        self._writers, self._prefix = writers, prefix

    def of(self, prefix: str) -> "Writers":
        """Return the same writers for one stage."""
        return Writers(self._writers, f"{prefix}/")

    def scalar(self, name: str, value: float, step: int) -> None:
        """Note one value."""
        for writer in self._writers:
            writer.scalar(self._prefix + name, value, step)

    def close(self) -> None:
        """Write what is still held back."""
        for writer in self._writers:
            writer.close()


def open_writers(folder: Path, name: str, config: Mapping[str, Any]) -> Writers:
    """Return TensorBoard in a folder, and Weights & Biases where a key or a mode says that it is wanted."""
    writers: list[Writer] = [TensorBoard(folder)]
    if find_spec("wandb") and (os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_MODE")):
        writers.append(WeightsAndBiases(name, config))
    return Writers(writers)
