"""Fine-tuning of the matcher, a BERT cross-encoder: (question, candidate) → one logit, in groups of one question.

A group has a question, candidates that retrieval found for it, and their labels. The classification model's first logit
is the relevance; further ones are the other tasks of a multi-task matcher.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from kb.types import FloatArray
from models.training.config import MatchingConfig
from models.training.epochs import Epochs
from models.training.losses import distillation, matching, symmetric_divergence
from models.training.passes import Hardware, Padded, Tokens, hardware, longest, passes
from models.training.processes import Share
from models.training.rounds import add_gradient

Judge = Callable[[Sequence[tuple[str, str]]], FloatArray]
"""(question, candidate text) pairs → logits (n,)."""

_NO_TOPIC = -100


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A question with candidates; all sequences are of one length."""

    question: str
    candidates: Sequence[str]
    labels: Sequence[float]
    weight: float = 1.0
    topics: Sequence[int] = ()
    """Class of each candidate's topic, for a multi-task matcher."""
    teacher: Sequence[float] = ()
    """Logits of another matcher, to be distilled."""


class MatchingTask:
    """The task of `loop.fit` that trains a matcher."""

    def __init__(
        self,
        module: nn.Module,
        tokenizer: Tokenizer,
        groups: Sequence[Group],
        config: MatchingConfig,
        *,
        pad_id: int,
        seed: int = 0,
        validate: Callable[[Judge], float] | None = None,
    ) -> None:
        """Take an `AutoModelForSequenceClassification`, its tokenizer and the groups.

        Args:
            module: its first logit is the relevance.
            tokenizer: without padding; truncation is set here.
            groups: every one with at least one candidate.
            config: see `MatchingConfig`.
            pad_id: token that pads.
            seed: of what is drawn.
            validate: takes the matcher as it is, gives the validation metric.
        """
        self._module, self._tokenizer, self._groups, self._config = module, tokenizer, groups, config
        self._pad_id, self._seed, self._validate = pad_id, seed, validate
        self._where: Hardware | None = None
        found: Any = module
        self._max_length = longest(found.config, config.max_length)
        self._epochs = Epochs(len(groups), seed)

    @property
    def module(self) -> nn.Module:
        """The matcher."""
        return self._module

    @property
    def embeddings(self) -> nn.Parameter | None:
        """The word embeddings, where they are trained."""
        found: Any = self._module
        weights: nn.Parameter = found.get_input_embeddings().weight
        return weights if weights.requires_grad else None

    @property
    def epoch_steps(self) -> float:
        """Batches in which every group comes once."""
        return len(self._groups) / self._config.groups

    def prepare(self, step: int) -> None:
        """Nothing is kept between steps."""

    def state(self) -> dict[str, Any]:
        """Nothing is kept between steps."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing is kept between steps."""

    def validate(self) -> float:
        """Return the validation metric of the matcher as it is."""
        return self._validate(self.judge) if self._validate else float("nan")

    def batch(self, step: int) -> list[Group]:
        """Return the groups of a batch: each epoch has every group once, in an order of its own."""
        size = self._config.groups
        return [
            self._trimmed(self._groups[self._epochs.item(at)], np.random.default_rng([self._seed, at, 1]))
            for at in range(step * size, (step + 1) * size)
        ]

    def backward(self, step: int, where: Hardware, share: Share) -> float:
        """Add the gradient of our share of a batch; see `loop.Task`."""
        self._where = where
        batch = self.batch(step)
        total = sum(group.weight for group in batch)
        ours = [batch[at] for at in share.of(len(batch))]
        if not ours:
            return 0.0
        rows = [(at, position) for at, group in enumerate(ours) for position in range(len(group.candidates))]
        pairs = [(ours[at].question, ours[at].candidates[position]) for at, position in rows]
        whole = list(passes(tokens_of(self._tokenizer, pairs, self._max_length), self._pad_id, where))
        order = torch.from_numpy(np.argsort([at for each in whole for at in each.positions])).to(where.device)

        def objective(outputs: Sequence[Tensor]) -> Tensor:
            views = [torch.cat(list(outputs[start : start + len(whole)]))[order] for start in starts]
            return self._objective(views, ours, rows) / total

        def forward(each: Padded) -> Tensor:
            with where.autocast():
                return _logits(self._module, each)

        # A pass may cut a group in two, and a listwise loss needs all of it.
        starts = (0, len(whole)) if self._config.r_drop else (0,)
        return add_gradient(forward, whole * len(starts), objective, where)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Return the logits (n,) of (question, candidate text) pairs, with the matcher as it is."""
        return judge(self._module, self._tokenizer, pairs, self._max_length, self._pad_id, self._where)

    def _trimmed(self, group: Group, rng: np.random.Generator) -> Group:
        """Return a group of at most so many candidates: the right ones, up to a half, and the first wrong ones."""
        most = self._config.candidates
        if len(group.candidates) <= most:
            return group
        labels = np.asarray(group.labels)
        right, wrong = np.flatnonzero(labels > 0), np.flatnonzero(labels <= 0)
        right = rng.permutation(right)[: max(1, most // 2, most - len(wrong))]
        kept = np.sort(np.concatenate([right, wrong[: most - len(right)]]))
        return Group(
            question=group.question,
            candidates=[group.candidates[at] for at in kept],
            labels=[group.labels[at] for at in kept],
            weight=group.weight,
            topics=[group.topics[at] for at in kept] if group.topics else (),
            teacher=[group.teacher[at] for at in kept] if group.teacher else (),
        )

    def _objective(self, views: Sequence[Tensor], groups: Sequence[Group], rows: Sequence[tuple[int, int]]) -> Tensor:
        """Return the weighted sum of the losses of groups, from one or two views of their logits (n, tasks)."""
        config, device = self._config, views[0].device
        width = max(len(group.candidates) for group in groups)
        at = torch.tensor([row * width + position for row, position in rows], device=device)

        def in_groups(values: Tensor) -> Tensor:
            return values.new_zeros(len(groups) * width).index_copy(0, at, values).view(len(groups), width)

        present = in_groups(torch.ones(len(rows), device=device)) > 0
        labels = in_groups(torch.tensor([float(groups[r].labels[p]) for r, p in rows], device=device))
        logits = [in_groups(view[:, 0]) for view in views]
        settings = {"smoothing": config.smoothing, "margin": config.margin}
        losses = [matching(each, labels, present, config.loss, **settings) for each in logits]
        loss = torch.stack(losses).mean(dim=0)
        if len(views) > 1:
            loss = loss + config.r_drop * symmetric_divergence(logits[0], logits[1], present)
        if config.distil_weight:
            is_taught = torch.tensor([bool(group.teacher) for group in groups], device=device)
            known = [float(groups[r].teacher[p]) if groups[r].teacher else 0.0 for r, p in rows]
            teacher = in_groups(torch.tensor(known, device=device))
            learned = distillation(logits[0], teacher, present, config.distil_temperature)
            loss = torch.where(is_taught, (1 - config.distil_weight) * loss + config.distil_weight * learned, loss)
        if config.topic_weight and views[0].shape[1] > 1:
            topics = [int(groups[r].topics[p]) if groups[r].topics else _NO_TOPIC for r, p in rows]
            target = torch.tensor(topics, device=device)
            each = functional.cross_entropy(views[0][:, 1:], target, ignore_index=_NO_TOPIC, reduction="none")
            loss = loss + config.topic_weight * in_groups(each).sum(dim=1) / present.sum(dim=1)
        return (loss * torch.tensor([group.weight for group in groups], device=device)).sum()


def tokens_of(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], max_length: int) -> list[Tokens]:
    """Return (question, candidate text) pairs tokenised; of the longer text the end is cut off."""
    # Only where it is another one: a tokenizer can't be changed while another thread uses it.
    if tokenizer.padding is not None:
        tokenizer.no_padding()
    if (tokenizer.truncation or {}).get("max_length") != max_length:
        tokenizer.enable_truncation(max_length)
    return [Tokens(ids=each.ids, kinds=each.type_ids) for each in tokenizer.encode_batch_fast(list(pairs))]


def judge(
    module: nn.Module,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
    max_length: int,
    pad_id: int,
    where: Hardware | None = None,
) -> FloatArray:
    """Return the logits (n,) of (question, candidate text) pairs."""
    where = where or replace(hardware("fp32"), device=next(module.parameters()).device)
    found = np.empty(len(pairs), dtype=np.float32)
    was_training = module.training
    module.eval()
    with torch.inference_mode(), where.autocast():
        for each in passes(tokens_of(tokenizer, pairs, max_length), pad_id, where):
            found[list(each.positions)] = _logits(module, each)[:, 0].cpu().numpy()
    module.train(was_training)
    return found


def _logits(module: nn.Module, each: Padded) -> Tensor:
    kinds = {"token_type_ids": each.token_type_ids} if getattr(module.config, "type_vocab_size", 0) > 1 else {}
    logits: Tensor = module(input_ids=each.input_ids, attention_mask=each.attention_mask, **kinds).logits
    return logits.float()
