"""Trainings of tiny models in a process of their own, which may be killed."""

import resource
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from fakes_training import contrastive_task, matching_task, nearest_is_right, settings, weights
from safetensors.torch import save_file

from kb.errors import TrainingError
from models.training.loop import fit
from models.training.state import load_state
from models.training.task import Curve, Task

VARIANTS: dict[str, dict[str, Any]] = {
    "dropout": {},
    "average and patience": {
        "average": 0.8, "patience": 3, "validate_every": 2, "keep": "best", "learning_rate": 5e-3, "attack": "none",
    },
    "hard negatives in bf16": {"near_share": 0.5, "negatives": 1, "refresh_every": 4, "precision": "bf16"},
    "fgm": {"attack": "fgm"},
    "matcher with r-drop": {"r_drop": 1.0, "layer_decay": 0.8},
}  # fmt: skip
_OF_TASK = ("near_share", "negatives", "refresh_every", "r_drop")


def task_of(variant: str) -> Task:
    config = {name: value for name, value in VARIANTS[variant].items() if name in _OF_TASK}
    return matching_task(**config) if "matcher" in variant else contrastive_task(validate=nearest_is_right, **config)


def run(variant: str, folder: Path | None, told: Any = None, **config: Any) -> tuple[Task, Curve]:
    """Train a variant from the start, or go on with what the folder holds."""
    torch.set_num_threads(1)
    given = {"steps": 14, "save_every": 4}
    given |= {name: value for name, value in VARIANTS[variant].items() if name not in _OF_TASK}
    task = task_of(variant)
    return task, fit(task, settings(**given | config), folder=folder, told=told)


def work(connection: Connection, variant: str, folder: Path, config: dict[str, Any]) -> None:
    """Train, tell every step, and wait each time for leave to go on; leave the weights in a file."""

    def told(step: int, steps: int, note: str) -> None:
        connection.send(step)
        connection.recv()

    task, curve = run(variant, folder, told, **config)
    save_file(weights(task.module), folder / "final.safetensors")
    connection.send((curve.losses, curve.metrics, curve.best_step, curve.stopped))


def hurry(connection: Connection, variant: str, folder: Path, config: dict[str, Any]) -> None:
    """Train without waiting for anybody."""

    def told(step: int, steps: int, note: str) -> None:
        connection.send(step)

    task, curve = run(variant, folder, told, **config)
    save_file(weights(task.module), folder / "final.safetensors")
    connection.send((curve.losses, curve.metrics, curve.best_step, curve.stopped))


def fill_up(connection: Connection, folder: Path, most_bytes: int) -> None:
    """Train where no file may be larger from step 4 on; send what is said, the state's step, and the files."""

    def told(step: int, steps: int, note: str) -> None:
        if step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    problem = ""
    try:
        run("dropout", folder, told)
    except TrainingError as error:
        problem = f"{type(error).__name__}: {error}"
    left = load_state(folder)
    connection.send((problem, left.step if left else None, sorted(each.name for each in folder.iterdir())))
