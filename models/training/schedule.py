"""How far each parameter moves in each step: weight decay, learning rates by layer, warm-up and decay."""

import math
from itertools import pairwise
from typing import Any

from torch import nn

from models.training.config import OptimiserConfig


def groups(named: list[tuple[str, nn.Parameter]], config: OptimiserConfig) -> list[dict[str, Any]]:
    """Return parameter groups: weight decay for matrices alone, and a learning rate that falls from layer to layer."""
    layers = {name: _layer_of(name) for name, _ in named}
    top = 1 + max((layer for layer in layers.values() if layer is not None), default=0)
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        layer = layers[name]
        factor = 1.0 if layer is None else config.layer_decay ** (top - layer)
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        found.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": decay, "lr": config.learning_rate * factor}
        for (factor, decay), parameters in found.items()
    ]


def steps_of(config: OptimiserConfig, epoch_steps: float) -> int:
    """Return the number of steps that are planned."""
    if not config.epochs:
        return config.steps
    return min(config.steps, max(config.least_steps, round(config.epochs * epoch_steps)))


def rate(step: int, steps: int, config: OptimiserConfig) -> float:
    """Return the share of the learning rate that a step (from 0) of so many takes."""
    rising = max(1, round(config.warm_up * steps))
    if step < rising:
        return (step + 1) / rising
    if config.decay == "none":
        return 1.0
    left = (steps - step) / max(1, steps - rising)
    return max(0.0, left if config.decay == "linear" else (1 + math.cos(math.pi * (1 - left))) / 2)


def _layer_of(name: str) -> int | None:
    """Return the layer of a parameter from 1, 0 for embeddings, and None for what comes after the layers."""
    parts = name.split(".")
    if "embeddings" in parts:
        return 0
    numbers = [int(part) for before, part in pairwise(parts) if before == "layer" and part.isdigit()]
    return numbers[0] + 1 if numbers else None
