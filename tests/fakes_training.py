"""Small trainings: tiny BERTs over a shop's questions, and a line that is fitted."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_model import PAD, tiny_config, tiny_tokenizer
from torch import Tensor, nn
from transformers import BertForSequenceClassification, BertModel

from models.pooling import SentenceModule
from models.training.config import ContrastiveConfig, MatchingConfig, OptimiserConfig
from models.training.encoder import ContrastiveData, ContrastiveTask
from models.training.loop import fit
from models.training.matcher import Group, MatchingTask
from models.training.passes import Hardware
from models.training.processes import Share
from models.training.task import Curve, Task

WAYS = ("{}?", "where is {}", "i need {} now", "tell me more of {} please")
SUBJECTS = ("my parcel", "a refund", "the tent", "an invoice", "my password", "a shop nearby")
QUESTIONS = [way.format(subject) for subject in SUBJECTS for way in WAYS]
ROWS = [frozenset({row}) for row in range(len(SUBJECTS)) for _ in WAYS]
DATA = ContrastiveData(
    questions=QUESTIONS,
    rows=ROWS,
    weights=[1.0] * len(QUESTIONS),
    answers=[[f"this is all of {subject}"] for subject in SUBJECTS],
)
GROUPS = [
    Group(
        question=question,
        candidates=[SUBJECTS[(min(rows) + step) % len(SUBJECTS)] for step in range(2 + min(rows) % 4)],
        labels=[1.0, *[0.0] * (1 + min(rows) % 4)],
    )
    for question, rows in zip(QUESTIONS, ROWS, strict=True)
]
CPU = torch.device("cpu")
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def on_cpu(tokens: int = 4096, **fields: Any) -> Hardware:
    return Hardware(**{"device": CPU, "is_bf16": False, "tokens": tokens} | fields)


def settings(**fields: Any) -> OptimiserConfig:
    """How tiny models are trained: some steps in float32."""
    given = {"steps": 12, "learning_rate": 2e-3, "precision": "fp32", "validate_every": 0, "keep": "last"}
    return OptimiserConfig(**given | fields)


def tiny_encoder(seed: int = 0, **changed: Any) -> SentenceModule:
    torch.manual_seed(seed)
    return SentenceModule(BertModel(tiny_config(initializer_range=0.2, **changed)), "mean")


def tiny_matcher(seed: int = 0, **changed: Any) -> Any:
    torch.manual_seed(seed)
    return BertForSequenceClassification(tiny_config(**{"initializer_range": 0.2, "num_labels": 1} | changed))


def contrastive_task(
    module: SentenceModule | None = None, *, validate: Any = None, augmenter: Any = None, **config: Any
) -> ContrastiveTask:
    """The encoder's task; `config` are fields of a ContrastiveConfig."""
    given = {"anchors": 6, "max_length": 24, "answer_share": 0.5, "near_share": 0.0, "scales_near": False}
    return ContrastiveTask(
        module or tiny_encoder(), tiny_tokenizer(), DATA, ContrastiveConfig(**given | config),
        pad_id=PAD, seed=3, validate=validate, augmenter=augmenter,
    )  # fmt: skip


def matching_task(
    module: nn.Module | None = None, given_groups: Sequence[Group] = GROUPS, *, validate: Any = None, **config: Any
) -> MatchingTask:
    """The matcher's task; `config` are fields of a MatchingConfig."""
    given = {"groups": 4, "candidates": 4, "max_length": 36}
    return MatchingTask(
        module or tiny_matcher(), tiny_tokenizer(), given_groups, MatchingConfig(**given | config),
        pad_id=PAD, seed=3, validate=validate,
    )  # fmt: skip


def nearest_is_right(encode: Callable[[Sequence[str]], Any]) -> float:
    """Share of the questions whose nearest other question is of the same pair."""
    vectors = encode(QUESTIONS)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    return float(np.mean([ROWS[at] == ROWS[best] for at, best in enumerate(cosines.argmax(axis=1))]))


def gradient(task: Task, where: Hardware, share: Share | None = None, seed: int = 5) -> tuple[float, Tensor]:
    """The loss of the first batch, and its gradient as one vector."""
    task.module.train()
    task.module.zero_grad()
    task.prepare(0)
    torch.manual_seed(seed)
    loss = task.backward(0, where, share or Share())
    parts = [each.grad for each in task.module.parameters() if each.grad is not None]
    return loss, torch.cat([each.reshape(-1) for each in parts]).clone()


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in module.state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Whether weights are the same bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(each, right[name]) for name, each in left.items())


def train(task: Task, folder: Path | None = None, **config: Any) -> Curve:
    """Fit a task; `config` are fields of an OptimiserConfig."""
    return fit(task, settings(**config), folder=folder)


class LineTask:
    """Learns a line of 8 slopes from batches of 16 points, of 16 tokens each; its words are 4 of the slopes.

    `fits` are the tokens of a pass that the memory holds; from step `breaks` on the loss is NaN; `metrics` are what the
    validations give, one after the other, else minus the distance from the line.
    """

    def __init__(self, *, fits: int = 10**9, breaks: int = 10**9, metrics: Sequence[float] = ()) -> None:
        torch.manual_seed(1)
        self.module = nn.Module()
        self.module.words = nn.Parameter(torch.randn(4, 1))
        self.module.slopes = nn.Parameter(torch.randn(4, 1))
        self.right = torch.linspace(-1, 1, 8)[:, None]
        self.fits, self.breaks, self.metrics = fits, breaks, list(metrics)
        self.passes: list[int] = []
        self.error: Exception = torch.OutOfMemoryError("out of memory: tried to allocate 2 GiB")

    @property
    def embeddings(self) -> nn.Parameter:
        return self.module.words

    @property
    def epoch_steps(self) -> float:
        return 10.0

    def backward(self, step: int, where: Hardware, share: Share) -> float:
        points = torch.randn(16, 8, generator=torch.Generator().manual_seed(step))
        ours = points[list(share.of(len(points)))]
        loss = 0.0
        for part in ours.split(max(1, where.tokens // 16)):
            self.passes.append(len(part))
            error = (part @ (torch.cat([self.module.words, self.module.slopes]) - self.right)).square().sum() / 16
            if step >= self.breaks:
                error = error * float("nan")
            error.backward()
            loss += float(error.detach())
            if 16 * len(part) > self.fits:
                raise self.error
        return loss

    def prepare(self, step: int) -> None:
        pass

    def validate(self) -> float:
        if self.metrics:
            return self.metrics.pop(0)
        return -float((torch.cat([self.module.words, self.module.slopes]) - self.right).detach().norm())

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass
