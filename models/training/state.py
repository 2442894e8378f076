"""The state of a training that was not finished: safetensors and JSON, no pickles, written whole or not at all."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from kb.errors import TrainingError, describe

_STATE, _PART, _TENSORS, _ABOUT = "state", "state.part", "tensors.safetensors", "state.json"


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Everything that the next step depends on."""

    weights: Mapping[str, torch.Tensor]
    optimiser: Mapping[str, torch.Tensor]
    average: Mapping[str, torch.Tensor]
    best: dict[str, torch.Tensor]
    task: dict[str, Any]
    """Arrays by name."""
    step: int
    steps: int
    """As planned."""
    stale: int
    seconds: float
    curve: dict[str, Any]


_GROUPS = ("weights", "optimiser", "average", "best", "task")


def save_state(folder: Path, state: TrainingState) -> None:
    """Replace the state in a folder.

    Raises:
        TrainingError: there is no room for it.
    """
    part, final = folder / _PART, folder / _STATE
    tensors = {
        f"{group}/{name}": torch.as_tensor(value).detach().cpu().contiguous()
        for group in _GROUPS
        for name, value in getattr(state, group).items()
    }
    about = {name: value for name, value in asdict(_without_tensors(state)).items() if name not in _GROUPS}
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save_file(tensors, part / _TENSORS)
        with (part / _TENSORS).open("rb") as stream:
            os.fsync(stream.fileno())
        with (part / _ABOUT).open("w", encoding="utf-8") as text:
            json.dump(about, text)
            text.flush()
            os.fsync(text.fileno())
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise TrainingError(
            describe(expected=f"room for the state in {folder}", got=str(error), remedy="make room, and run it again")
        ) from error
    # A folder can't be renamed onto another: for a moment there is the part alone, which `load_state` then takes.
    shutil.rmtree(final, ignore_errors=True)
    part.rename(final)


def load_state(folder: Path) -> TrainingState | None:
    """Return the state in a folder, or None where there is none that is whole."""
    for name in (_STATE, _PART):
        try:
            about = json.loads((folder / name / _ABOUT).read_text(encoding="utf-8"))
            tensors = load_file(folder / name / _TENSORS)
        except (OSError, ValueError, SafetensorError):
            continue
        found: dict[str, Any] = {group: {} for group in _GROUPS}
        for key, tensor in tensors.items():
            group, _, rest = key.partition("/")
            found[group][rest] = tensor
        found["task"] = {key: np.asarray(value) for key, value in found["task"].items()}
        return TrainingState(**found, **about)
    return None


def require_same(state: TrainingState, named: Sequence[tuple[str, nn.Parameter]], folder: Path | None) -> None:
    """Refuse a state that is of other parameters than those that are trained.

    Raises:
        TrainingError: it is.
    """
    wanted = {name: tuple(each.shape) for name, each in named}
    found = {name: tuple(each.shape) for name, each in state.weights.items()}
    if wanted != found:
        other = sorted(set(wanted.items()) ^ set(found.items()))[0]
        raise TrainingError(
            describe(
                expected=f"the state of this training in {folder}",
                got=f"that of another (see {other[0]})",
                remedy="remove it, or train in another folder",
            )
        )


def _without_tensors(state: TrainingState) -> TrainingState:
    return TrainingState(
        weights={},
        optimiser={},
        average={},
        best={},
        task={},
        step=state.step,
        steps=state.steps,
        stale=state.stale,
        seconds=state.seconds,
        curve=state.curve,
    )
