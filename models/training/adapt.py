"""Which parameters are trained: all, those above frozen layers, or small ones that are added (peft).

What is added is merged into the weights at the end, or stays a module of its own where it can't be.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from kb.errors import TrainingError, describe
from models.training.config import AdaptConfig


def adapted(
    body: nn.Module, config: AdaptConfig, *, seed: int = 0
) -> tuple[nn.Module, Callable[[nn.Module], nn.Module]]:
    """Return a transformer made ready to be trained, and what makes it a plain one again afterwards.

    Raises:
        TrainingError: the model has none of the layers that the method needs.
    """
    if config.checkpoint_activations:
        checkpointing: Any = body
        checkpointing.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if config.method == "frozen":
        freeze(body, config.frozen_layers)
    if config.method in ("full", "frozen"):
        return body, lambda trained: trained
    from peft import get_peft_model

    try:
        with torch.random.fork_rng(devices=[]):
            # What is added is the same whatever was drawn before.
            torch.manual_seed(seed)
            wrapped = get_peft_model(body, _peft_config(config))
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

    def merged(trained: nn.Module) -> nn.Module:
        plain: Any = trained
        found: nn.Module = plain.merge_and_unload()
        return found

    return wrapped, merged


def freeze(body: nn.Module, layers: int) -> None:
    """Leave the embeddings and the lowest layers of a transformer as they are."""
    for name, parameter in body.named_parameters():
        parts = name.split(".")
        at = parts.index("layer") + 1 if "layer" in parts else len(parts)
        layer = int(parts[at]) if at < len(parts) and parts[at].isdigit() else None
        if "embeddings" in parts or (layer is not None and layer < layers):
            parameter.requires_grad_(False)


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
