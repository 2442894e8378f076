"""Small modules that are added to a BERT and trained in place of it, and that can't be merged into its weights.

Bottlenecks behind the two output layers of every block (Houlsby et al. 2019), and keys and values that every layer
attends to in front of the text (prefix tuning, Li & Liang 2021; one per layer, without their reparametrisation). Their
weights stand beside the model's own, and its `config.json` names them, so that `restored` puts them back: graphs that
are exported carry them. Other libraries that open such a folder pass them over.

peft 0.21 has no bottlenecks for BERT, and its prefixes are refused by BERT's classifiers (transformers 5.24).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from kb.errors import ModelError, TrainingError, describe
from models.folder import ModelFolder

Kind = Literal["adapters", "prefix"]

ADDED = "frontdesk_added"
"""Key in `config.json`: what was added, and its size."""

_LARGEST = 4_096
_OWN = ("down", "up", "prefix_keys", "prefix_values")


class WithBottleneck(nn.Linear):
    """A linear layer y of a model with a bottleneck behind it: y + up(gelu(down(y))), which is y at first."""

    def __init__(self, plain: nn.Linear, size: int) -> None:
        """Take over the layer's weights."""
        super().__init__(plain.in_features, plain.out_features, bias=plain.bias is not None)
        self.weight, self.bias = plain.weight, plain.bias
        self.down = nn.Linear(plain.out_features, size)
        self.up = nn.Linear(size, plain.out_features)
        nn.init.normal_(self.down.weight, std=0.02)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return (..., out) of (..., in)."""
        plain = super().forward(input)
        added: Tensor = self.up(nn.functional.gelu(self.down(plain)))
        return plain + added


class PrefixedAttention(nn.Module):
    """A model's self-attention with learned keys and values in front of those of the text."""

    def __init__(self, plain: Any, size: int) -> None:
        """Take over the projections of a BERT-like self-attention."""
        super().__init__()
        self.query, self.key, self.value, self.dropout = plain.query, plain.key, plain.value, plain.dropout
        self.num_attention_heads, self.attention_head_size = plain.num_attention_heads, plain.attention_head_size
        self.prefix_keys = nn.Parameter(0.02 * torch.randn(self.num_attention_heads, size, self.attention_head_size))
        self.prefix_values = nn.Parameter(0.02 * torch.randn(self.num_attention_heads, size, self.attention_head_size))

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, **ignored: Any
    ) -> tuple[Tensor, None]:
        """Return (n, t, d) of hidden states (n, t, d); the mask (n, 1, t, t) is boolean or added to the logits."""
        count, length, _ = hidden_states.shape
        query, key, value = (
            each(hidden_states).view(count, length, self.num_attention_heads, self.attention_head_size).transpose(1, 2)
            for each in (self.query, self.key, self.value)
        )
        key = torch.cat([self.prefix_keys.expand(count, -1, -1, -1), key], dim=2)
        value = torch.cat([self.prefix_values.expand(count, -1, -1, -1), value], dim=2)
        if attention_mask is not None:
            shape = (*attention_mask.shape[:-1], self.prefix_keys.shape[1])
            is_flag = attention_mask.dtype == torch.bool
            seen = attention_mask.new_ones(shape) if is_flag else attention_mask.new_zeros(shape)
            attention_mask = torch.cat([seen, attention_mask], dim=-1)
        dropped = self.dropout.p if self.training else 0.0
        found = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, dropout_p=dropped
        )
        return found.transpose(1, 2).reshape(count, length, self.num_attention_heads * self.attention_head_size), None


def add(module: nn.Module, kind: Kind, size: int) -> None:
    """Add bottlenecks of a width, or a prefix of a length, to every layer; where they are already, nothing changes.

    Raises:
        TrainingError: the model has no layers like those of BERT.
    """
    owner: Any = module
    there = dict(getattr(owner.config, ADDED, None) or {})
    if kind in there:
        return
    places = list(_places(module, kind))
    if not places:
        raise TrainingError(
            describe(
                expected=f"layers like those of BERT for {kind}",
                got=type(module).__name__,
                remedy="train it with the method full or lora",
            )
        )
    for parent, name in places:
        plain = getattr(parent, name)
        made = WithBottleneck(plain, size) if kind == "adapters" else PrefixedAttention(plain, size)
        made.to(plain.query.weight.device if kind == "prefix" else plain.weight.device)
        setattr(parent, name, made.train(plain.training))
    setattr(owner.config, ADDED, there | {kind: size})


def train_added_alone(module: nn.Module) -> None:
    """Leave everything as it is but what was added, the norms, and the head of a classifier."""
    for name, parameter in module.named_parameters():
        parts = name.split(".")
        parameter.requires_grad_(is_added(name) or "LayerNorm" in parts or "classifier" in parts)


def is_added(name: str) -> bool:
    """Whether a parameter's name is of something that was added."""
    return any(part in _OWN for part in name.split("."))


def restored(module: nn.Module, model: ModelFolder) -> None:
    """Add what the model's `config.json` names, with the weights that the folder has of it.

    Raises:
        ModelError: it names something unknown, or weights are missing or of another shape.
    """
    sizes = model.config.get(ADDED) or {}
    if not sizes:
        return
    owner: Any = module
    # Of the file it was read already; without it here, nothing would be added.
    setattr(owner.config, ADDED, {})
    for kind, size in _checked(sizes, model).items():
        add(module, kind, size)
    stored = {
        _tail(name): tensor
        for file in sorted(model.path.glob("*.safetensors"))
        for name, tensor in load_file(file).items()
        if is_added(name)
    }
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if not is_added(name):
                continue
            found = stored.get(_tail(name))
            if found is None or found.shape != parameter.shape:
                raise _damaged(model, f"{name} of shape {tuple(parameter.shape)}", "none, or another shape")
            parameter.copy_(found)


@contextmanager
def unreported(model: ModelFolder) -> Iterator[None]:
    """Keep transformers from reporting weights that it doesn't know: what was added is put back afterwards."""
    from transformers.utils import logging as transformers_logging

    before = transformers_logging.get_verbosity()
    if model.config.get(ADDED):
        transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


def _places(module: nn.Module, kind: Kind) -> Iterator[tuple[nn.Module, str]]:
    """Yield the parent and name of each layer that is replaced."""
    for name, each in list(module.named_modules()):
        parts = name.split(".")
        if "layer" not in parts:
            continue
        if kind == "prefix" and parts[-2:] == ["attention", "self"]:
            if all(hasattr(each, part) for part in ("query", "key", "value", "dropout", "attention_head_size")):
                yield module.get_submodule(name.rpartition(".")[0]), "self"
        elif kind == "adapters" and parts[-2:] == ["output", "dense"] and isinstance(each, nn.Linear):
            yield module.get_submodule(name.rpartition(".")[0]), "dense"


def _checked(sizes: Any, model: ModelFolder) -> dict[Kind, int]:
    known = get_args(Kind)
    is_fit = isinstance(sizes, dict) and all(
        kind in known and type(size) is int and 0 < size <= _LARGEST for kind, size in sizes.items()
    )
    if not is_fit:
        raise _damaged(model, f"{' or '.join(known)} and a size as {ADDED}", repr(sizes))
    found: dict[Kind, int] = sizes
    return found


def _tail(name: str) -> str:
    """Return a parameter's name from the stack of layers on: a classifier's has one more part in front."""
    return name[name.index("layer.") :]


def _damaged(model: ModelFolder, expected: str, got: str) -> ModelError:
    return ModelError(describe(expected=f"{expected} in {model.path}", got=got, remedy="train it again"))
