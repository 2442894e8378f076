"""Dropout that draws quickly on a processor: 16 random bits for each value, four values from one number.

PyTorch draws a float for each value, one after the other: of a training step of a small BERT that is a tenth in float32
and a sixth in bfloat16, most of it for the attention. A GPU draws in parallel; there nothing is changed.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertSelfAttention

_BITS = 16
_LOWEST = -(2 ** (_BITS - 1))


def dropout(values: Tensor, share: float) -> Tensor:
    """Return the values with a share of them 0 and the others scaled up, so that the mean stays (Srivastava 2014)."""
    count = values.numel()
    drawn = torch.empty((count + 3) // 4, dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    is_kept = drawn.view(torch.int16)[:count].view(values.shape) >= _LOWEST + round(share * 2**_BITS)
    scale: Tensor = is_kept.to(values.dtype).mul_(1 / (1 - share))
    return values * scale


class QuickDropout(nn.Dropout):
    """`nn.Dropout`, by other draws."""

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape."""
        if not self.training or not 0 < self.p < 1 or values.device.type != "cpu":
            return super().forward(values)
        return dropout(values, self.p)


class QuickSelfAttention(BertSelfAttention):  # type: ignore[misc]
    """BERT's attention with quick dropout of its shares."""

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, *others: Any, **named: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Return vectors (n, t, d) of vectors (n, t, d) and a mask (n, 1, 1 or t, t), and None for the shares."""
        share = self.dropout.p
        if not self.training or not 0 < share < 1 or hidden_states.device.type != "cpu":
            found: tuple[Tensor, Tensor | None] = super().forward(hidden_states, attention_mask, *others, **named)
            return found

        def in_heads(vectors: Tensor) -> Tensor:
            heads = vectors.view(*vectors.shape[:2], self.num_attention_heads, self.attention_head_size)
            return heads.transpose(1, 2)

        query, key, value = (in_heads(part(hidden_states)) for part in (self.query, self.key, self.value))
        products = (query * self.scaling) @ key.transpose(2, 3)
        if attention_mask is not None and attention_mask.dtype == torch.bool:
            products = products.masked_fill(~attention_mask, torch.finfo(products.dtype).min)
        elif attention_mask is not None:
            products = products + attention_mask
        shares = dropout(products.softmax(dim=-1), share)
        return (shares @ value).transpose(1, 2).flatten(2), None


def drops_quickly(module: nn.Module) -> None:
    """Make a model drop quickly; attention of another kind than BERT's keeps its own dropout."""
    for each in module.modules():
        # The class is changed and not the object: names of weights, copies and adapters stay what they are.
        if type(each) is nn.Dropout:
            each.__class__ = QuickDropout
        elif type(each) is BertSelfAttention and not each.is_decoder and _gives_no_shares(each):
            each.__class__ = QuickSelfAttention


def _gives_no_shares(attention: nn.Module) -> bool:
    config: Any = attention.config
    return bool(config._attn_implementation == "sdpa")
