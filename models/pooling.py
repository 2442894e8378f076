"""Token vectors → one unit vector, in torch: the part of a sentence model that comes after its transformer."""

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


def pool(tokens: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return (n, d) from tokens (n, t, d), without those that are padding."""
    if pooling == "cls":
        return tokens[:, 0]
    real = mask.unsqueeze(-1).to(tokens.dtype)
    if pooling == "max":
        return tokens.masked_fill(real == 0, torch.finfo(tokens.dtype).min).amax(dim=1)
    return (tokens * real).sum(dim=1) / real.sum(dim=1).clamp(min=1e-9)
