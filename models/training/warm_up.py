"""Masked-language-model warm-up: the encoder reads the organisation's own texts before it is fine-tuned.

Some tokens are hidden, and the model says which they were (Devlin et al. 2019); further pretraining on the domain is
from Gururangan et al. (2020).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from kb.errors import TrainingError, describe
from models.training.config import WarmUpConfig
from models.training.passes import Hardware, Tokens, longest, passes
from models.training.processes import Share

_KEPT, _RANDOM = 0.1, 0.1


class WarmUpTask:
    """The task of `loop.fit` that warms an encoder's body up; the head that names tokens is thrown away afterwards."""

    def __init__(
        self,
        body: nn.Module,
        tokenizer: Tokenizer,
        texts: Sequence[str],
        config: WarmUpConfig,
        *,
        pad_id: int,
        seed: int = 0,
    ) -> None:
        """Take the transformer that is warmed up, its tokenizer and the organisation's texts."""
        tokenizer.no_padding()
        model: Any = body
        tokenizer.enable_truncation(longest(model.config, config.max_length))
        self._tokens = [each.ids for each in tokenizer.encode_batch_fast(list(texts))]
        with torch.random.fork_rng(devices=[]):
            # The head is the same whatever was drawn before.
            torch.manual_seed(seed)
            self._module = _WithTokenHead(body)
        self._config, self._pad_id, self._seed = config, pad_id, seed
        mask_id = tokenizer.token_to_id("[MASK]") or tokenizer.token_to_id("<mask>")
        self._mask_id = _known(mask_id)
        self._special = frozenset(tokenizer.encode("").ids)
        self._vocabulary = min(tokenizer.get_vocab_size(), int(model.config.vocab_size))

    @property
    def module(self) -> nn.Module:
        """Body and head."""
        return self._module

    @property
    def embeddings(self) -> nn.Parameter | None:
        """The word embeddings, where they are trained."""
        weights = self._module.words
        return weights if weights.requires_grad else None

    @property
    def epoch_steps(self) -> float:
        """Batches in which every text comes once."""
        return len(self._tokens) / self._config.texts

    def prepare(self, step: int) -> None:
        """Nothing is kept between steps."""

    def state(self) -> dict[str, Any]:
        """Nothing is kept between steps."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing is kept between steps."""

    def validate(self) -> float:
        """There is nothing to validate on: what counts is the fine-tuning after it."""
        return float("nan")

    def backward(self, step: int, where: Hardware, share: Share) -> float:
        """Add the gradient of our share of a batch; see `loop.Task`."""
        rng = np.random.default_rng([self._seed, step])
        chosen = rng.choice(len(self._tokens), min(self._config.texts, len(self._tokens)), replace=False)
        hidden = [self._hide(self._tokens[int(at)], rng) for at in chosen]
        total = sum(len(places) for _, places, _ in hidden)
        ours = [hidden[at] for at in share.of(len(hidden))]
        loss = 0.0
        for each in passes([Tokens(ids=ids) for ids, _, _ in ours], self._pad_id, where):
            rows, columns, right = [], [], []
            for row, position in enumerate(each.positions):
                _, places, tokens = ours[position]
                rows.extend([row] * len(places))
                columns.extend(places)
                right.extend(tokens)
            if not right:
                continue
            with where.autocast():
                logits = self._module(each.input_ids, each.attention_mask, (rows, columns)).float()
            target = torch.tensor(right, device=logits.device)
            part: Tensor = nn.functional.cross_entropy(logits, target, reduction="sum") / max(1, total)
            part.backward()  # type: ignore[no-untyped-call]
            loss += float(part.detach())
        return loss

    def _hide(self, ids: Sequence[int], rng: np.random.Generator) -> tuple[list[int], list[int], list[int]]:
        """Return ids with some hidden, where, and what they were."""
        able = [at for at, token in enumerate(ids) if token not in self._special]
        count = max(1, round(self._config.hidden * len(able))) if able else 0
        places = sorted(int(at) for at in rng.permutation(able)[:count])
        changed = list(ids)
        for at in places:
            draw = rng.random()
            if draw < 1 - _KEPT - _RANDOM:
                changed[at] = self._mask_id
            elif draw < 1 - _KEPT:
                changed[at] = int(rng.integers(self._vocabulary))
        return changed, places, [ids[at] for at in places]


class _WithTokenHead(nn.Module):
    """A transformer with a head that names tokens, whose matrix is that of the word embeddings."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        found: Any = body
        width = int(found.config.hidden_size)
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(int(found.config.vocab_size)))

    @property
    def words(self) -> nn.Parameter:
        found: Any = self.body
        weight: nn.Parameter = found.get_input_embeddings().weight
        return weight

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, places: tuple[list[int], list[int]]
    ) -> torch.Tensor:
        tokens = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits: torch.Tensor = self.transform(tokens[places[0], places[1]]) @ self.words.T + self.bias
        return logits


def _known(mask_id: int | None) -> int:
    if mask_id is None:
        raise TrainingError(
            describe(
                expected="a model with a token that hides others",
                got="none in its vocabulary",
                remedy="train without warm-up (0 steps)",
            )
        )
    return mask_id
