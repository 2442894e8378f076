"""Which parameters are trained: all, those above frozen layers, or small ones that are added.

What LoRA and IA³ add (peft) is merged into the weights at the end; bottlenecks and prefixes (`adapters.py`) stay
modules of their own, and folders, checkpoints and exported graphs carry them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from kb.errors import TrainingError, describe
from models.training.adapters import add, train_added_alone
from models.training.config import AdaptConfig


def adapted(
    body: nn.Module, config: AdaptConfig, *, seed: int = 0
) -> tuple[nn.Module, Callable[[nn.Module], nn.Module]]:
    """Return a transformer made ready to be trained, and what makes it one that can be saved afterwards.

    Raises:
        TrainingError: the model has none of the layers that the method needs.
    """
    if config.checkpoint_activations:
        checkpointing: Any = body
        checkpointing.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if config.method == "frozen":
        freeze(body, config.frozen_layers)
    if config.method in ("adapters", "prefix"):
        with _seeded(seed):
            add(body, config.method, config.adapter_size if config.method == "adapters" else config.prefix_length)
        train_added_alone(body)
    if config.method not in ("lora", "ia3"):
        return body, lambda trained: trained
    return _wrapped(body, config, seed), _merged


def freeze(body: nn.Module, layers: int) -> None:
    """Leave the embeddings and the lowest layers of a transformer as they are."""
    for name, parameter in body.named_parameters():
        parts = name.split(".")
        at = parts.index("layer") + 1 if "layer" in parts else len(parts)
        layer = int(parts[at]) if at < len(parts) and parts[at].isdigit() else None
        if "embeddings" in parts or (layer is not None and layer < layers):
            parameter.requires_grad_(False)


def _wrapped(body: nn.Module, config: AdaptConfig, seed: int) -> nn.Module:
    from peft import get_peft_model

    try:
        with _seeded(seed):
            wrapped: nn.Module = get_peft_model(body, _peft_config(config))
    except ValueError as error:
        raise TrainingError(
            describe(
                expected=f"a BERT-like model for {config.method}",
                got=str(error).splitlines()[0],
                remedy="train it with the method full",
            )
        ) from error
    # A matcher's head is new: left as it was drawn, it would be a random projection.
    for name, parameter in wrapped.named_parameters():
        if "classifier" in name.split("."):
            parameter.requires_grad_(True)
    return wrapped


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """What is added is the same whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _merged(trained: nn.Module) -> nn.Module:
    wrapped: Any = trained
    found: nn.Module = wrapped.merge_and_unload()
    return found


def _peft_config(config: AdaptConfig) -> Any:
    from peft import IA3Config, LoraConfig

    if config.method == "lora":
        return LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=["query", "key", "value", "dense"],
        )
    return IA3Config(target_modules=["key", "value", "output.dense"], feedforward_modules=["output.dense"])
