"""What comes after a transformer, in torch: token vectors → one unit vector; a classifier's output → its logits."""

from typing import Any

import torch
from torch import nn

from models.folder import Pooling


class SentenceModule(nn.Module):
    """A transformer with pooling and L2 normalisation, as one module."""

    def __init__(self, body: nn.Module, pooling: Pooling) -> None:
        """Take a transformer that gives `last_hidden_state`, and how its tokens are pooled."""
        super().__init__()
        self.body = body
        self.pooling = pooling

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (n, d) of token ids (n, t); the mask (n, t) is 0 where a text is padded."""
        tokens = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return nn.functional.normalize(pool(tokens, attention_mask, self.pooling), dim=-1)


class LogitsModule(nn.Module):
    """A sequence classifier that gives its logits alone, as a graph wants it."""

    def __init__(self, classifier: nn.Module) -> None:
        """Take a `...ForSequenceClassification`."""
        super().__init__()
        self.classifier = classifier

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return logits (n, outputs) of token ids (n, t)."""
        kinds: dict[str, Any] = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits: torch.Tensor = self.classifier(input_ids=input_ids, attention_mask=attention_mask, **kinds).logits
        return logits


def pool(tokens: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return (n, d) from tokens (n, t, d), without those that are padding."""
    if pooling == "cls":
        return tokens[:, 0]
    real = mask.unsqueeze(-1).to(tokens.dtype)
    if pooling == "max":
        return tokens.masked_fill(real == 0, torch.finfo(tokens.dtype).min).amax(dim=1)
    return (tokens * real).sum(dim=1) / real.sum(dim=1).clamp(min=1e-9)
