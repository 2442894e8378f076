"""A BERT classifier without what nobody reads: its head takes the first token alone, so the last layer gives no other.

Of the last layer only keys and values of the other tokens are needed, which leaves out a seventh of all arithmetic in
six layers, forwards and backwards. What comes out is the same.
"""

from typing import Any

from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertForSequenceClassification, BertLayer, BertSelfAttention


class FirstTokenLayer(BertLayer):  # type: ignore[misc]
    """A layer that gives the vector of the first token alone (n, 1, d); it has the weights of a plain one."""

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, *others: Any, **named: Any
    ) -> Tensor:
        """Return (n, 1, d) of token vectors (n, t, d) and a mask (n, 1, 1 or t, t), as transformers makes it."""
        attention = self.attention.self
        if not isinstance(attention, BertSelfAttention):
            # Attention of another kind, such as one with a prefix, knows itself what it attends to.
            whole: Tensor = super().forward(hidden_states, attention_mask, *others, **named)
            return whole
        first = hidden_states[:, :1]

        def in_heads(vectors: Tensor) -> Tensor:
            heads = vectors.view(*vectors.shape[:2], attention.num_attention_heads, attention.attention_head_size)
            return heads.transpose(1, 2)

        mixed = nn.functional.scaled_dot_product_attention(
            in_heads(attention.query(first)),
            in_heads(attention.key(hidden_states)),
            in_heads(attention.value(hidden_states)),
            attn_mask=None if attention_mask is None else attention_mask[:, :, :1],
            dropout_p=attention.dropout.p if self.training else 0.0,
            scale=attention.scaling,
        )
        found: Tensor = self.feed_forward_chunk(self.attention.output(mixed.transpose(1, 2).flatten(2), first))
        return found


def reads_first_token_alone(module: nn.Module) -> None:
    """Make the last layer of a BERT classifier give the first token alone; other models stay as they are."""
    if not isinstance(module, BertForSequenceClassification) or module.config.is_decoder:
        return
    if module.config._attn_implementation not in ("sdpa", "eager"):
        return
    # The class is changed and not the object: names of weights, copies and adapters stay what they are.
    module.bert.encoder.layer[-1].__class__ = FirstTokenLayer
