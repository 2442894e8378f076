"""Contrastive fine-tuning of the bi-encoder: questions towards other phrasings of their pair and towards its answer.

A batch is made of anchors, questions; each brings another question of its pair, a text of its answer, and texts of the
pairs that are nearest to it and wrong. Every text of a batch is a negative for the questions of the other pairs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from kb.types import FloatArray
from models.pooling import SentenceModule
from models.runtime import run_batches
from models.training.config import ContrastiveConfig
from models.training.losses import contrastive
from models.training.passes import Hardware, Padded, Tokens, longest, passes
from models.training.processes import Share, gathered
from models.training.rounds import add_gradient

if TYPE_CHECKING:
    from models.training.augment import Augmenter

IntArray = NDArray[np.int64]
Encode = Callable[[Sequence[str]], FloatArray]

_NEAREST = 16
"""Pairs that count as near to one."""
_MET = 4
"""Where a random batch has one of an anchor's so many nearest pairs, it needs no more of them (docs/log.md)."""


@dataclass(frozen=True, kw_only=True)
class ContrastiveData:
    """What is learned from: `questions` and the rows of the pairs that answer each, `answers` texts of each row."""

    questions: Sequence[str]
    rows: Sequence[frozenset[int]]
    weights: Sequence[float]
    answers: Sequence[Sequence[str]]
    off_topic: Sequence[str] = ()
    """Questions that no pair answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Text:
    text: str
    rows: frozenset[int]
    is_question: bool


class ContrastiveTask:
    """The task of `loop.fit` that trains an encoder."""

    def __init__(
        self,
        module: SentenceModule,
        tokenizer: Tokenizer,
        data: ContrastiveData,
        config: ContrastiveConfig,
        *,
        pad_id: int,
        prompt: str = "",
        seed: int = 0,
        validate: Callable[[Encode], float] | None = None,
        augmenter: "Augmenter | None" = None,
    ) -> None:
        """Take the encoder as a torch module, its tokenizer and the data.

        Args:
            module: see `models.export.load_torch`.
            tokenizer: without padding; truncation is set here.
            data: see `ContrastiveData`.
            config: see `ContrastiveConfig`.
            pad_id: token that pads.
            prompt: what the model wants before every text.
            seed: of what is drawn.
            validate: takes the encoder as it is, gives the validation metric.
            augmenter: disturbs questions.
        """
        self._module, self._tokenizer, self._data, self._config = module, tokenizer, data, config
        self._tokenizer.no_padding()
        self._body: Any = module.body
        self._tokenizer.enable_truncation(longest(self._body.config, config.max_length))
        self._pad_id, self._prompt, self._seed = pad_id, prompt, seed
        self._validate, self._augmenter = validate, augmenter
        self._of_row: list[list[int]] = [[] for _ in data.answers]
        for at, rows in enumerate(data.rows):
            for row in rows:
                self._of_row[row].append(at)
        self._chance = _chances(data, self._of_row, config.tail)
        self._near = np.empty((0, 0), dtype=np.int64)
        self._near_share = config.near_share
        if config.scales_near:
            met_by_chance = config.anchors * _MET / max(1, len(self._of_row))
            self._near_share *= max(0.0, 1 - met_by_chance)
        self._where: Hardware | None = None

    @property
    def module(self) -> nn.Module:
        """The encoder."""
        return self._module

    @property
    def embeddings(self) -> nn.Parameter | None:
        """The word embeddings, where they are trained."""
        weights: nn.Parameter = self._body.get_input_embeddings().weight
        return weights if weights.requires_grad else None

    @property
    def epoch_steps(self) -> float:
        """Batches in which every question is an anchor once."""
        return len(self._data.questions) / self._config.anchors

    def prepare(self, step: int) -> None:
        """Find anew which pairs are near, where it is time to."""
        wanted = self._near_share > 0 or self._config.negatives > 0
        if wanted and (not len(self._near) or step % self._config.refresh_every == 0):
            self._near = self._nearest()

    def backward(self, step: int, where: Hardware, share: Share) -> float:
        """Add the gradient of our share of a batch; see `loop.Task`."""
        self._where = where
        batch = self.batch(step)
        whole = list(passes(self._tokens([batch[at].text for at in share.of(len(batch))]), self._pad_id, where))
        order = np.argsort([position for each in whole for position in each.positions])

        def objective(outputs: Sequence[Tensor]) -> Tensor:
            width = int(self._body.config.hidden_size)
            rows = torch.cat([torch.zeros((0, width), device=where.device), *outputs])
            ours = rows[torch.from_numpy(order).to(where.device)]
            return self._loss(gathered(ours, len(batch), share), batch)

        def forward(each: Padded) -> Tensor:
            with where.autocast():
                vectors: Tensor = self._module(each.input_ids, each.attention_mask)
            return vectors.float()

        frugal = replace(where, is_frugal=where.is_frugal or self._config.is_cached)
        return add_gradient(forward, whole, objective, frugal) / share.world

    def validate(self) -> float:
        """Return the validation metric of the encoder as it is."""
        return self._validate(self.encode) if self._validate else float("nan")

    def state(self) -> dict[str, Any]:
        """Return which pairs are near."""
        return {"near": self._near}

    def restore(self, state: dict[str, Any]) -> None:
        """Take which pairs are near."""
        self._near = np.asarray(state["near"], dtype=np.int64)

    def batch(self, step: int) -> list[_Text]:
        """Return the texts of a batch, which depend on seed and step alone (and on what is near)."""
        rng = np.random.default_rng([self._seed, step])
        anchors = self._anchors(rng)
        # No question twice: it would be its own positive.
        used, batch = set(anchors), []
        for at in anchors:
            rows = self._data.rows[at]
            batch.append(self._question(at, rng))
            row = int(rng.choice(sorted(rows)))
            others = [other for other in self._of_row[row] if other not in used]
            for other in rng.permutation(others)[: self._config.phrasings]:
                used.add(int(other))
                batch.append(self._question(int(other), rng))
            # An answer is ten times as long as a question, and customers are matched with questions first of all.
            if not others or not self._config.phrasings or rng.random() < self._config.answer_share:
                batch.extend(self._answers(row, self._config.answers, rows, rng))
            if self._config.negatives:
                near = [int(each) for each in self._near[row] if int(each) not in rows]
                for wrong in rng.permutation(near)[: self._config.negatives]:
                    batch.extend(self._answers(int(wrong), 1, frozenset({int(wrong)}), rng))
        for at in rng.permutation(len(self._data.off_topic))[: self._config.off_topic]:
            batch.append(_Text(text=self._data.off_topic[int(at)], rows=frozenset(), is_question=True))
        return batch

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors (n, d) of texts, with the encoder as it is."""
        return self._encode(texts, self._where)

    def _encode(self, texts: Sequence[str], where: Hardware | None) -> FloatArray:
        device = next(self._module.parameters()).device

        def forward(input_ids: IntArray, attention_mask: IntArray) -> FloatArray:
            with torch.inference_mode(), where.autocast() if where else torch.autocast("cpu", enabled=False):
                found = self._module(
                    torch.from_numpy(input_ids).to(device), torch.from_numpy(attention_mask).to(device)
                )
            return np.asarray(found.float().cpu().numpy(), dtype=np.float32)

        was_training = self._module.training
        self._module.eval()
        width = int(self._body.config.hidden_size)
        vectors = run_batches(forward, [each.ids for each in self._tokens(texts)], width, self._pad_id)
        self._module.train(was_training)
        return vectors

    def _anchors(self, rng: np.random.Generator) -> list[int]:
        """Return positions of the questions that a batch is made around."""
        count = len(self._data.questions)
        wanted = min(self._config.anchors, int(np.count_nonzero(self._chance)))
        if not self._near_share:
            return [int(at) for at in rng.choice(count, wanted, replace=False, p=self._chance)]
        found: dict[int, None] = {}
        while len(found) < wanted:
            first = int(rng.choice(count, p=self._chance))
            found.setdefault(first)
            row = min(self._data.rows[first])
            # Before `prepare` was called nothing is near.
            near = rng.permutation(self._near[row]) if row < len(self._near) else ()
            # With a share of .75, three of four anchors stand beside a pair that is near.
            for each in near[: rng.geometric(max(1 - self._near_share, 0.05)) - 1]:
                if self._of_row[int(each)] and len(found) < wanted:
                    found.setdefault(int(rng.choice(self._of_row[int(each)])))
        return list(found)

    def _question(self, at: int, rng: np.random.Generator) -> _Text:
        text = self._data.questions[at]
        if self._augmenter is not None and self._config.splice and rng.random() < self._config.splice:
            others = self._of_row[min(self._data.rows[at])]
            text = self._augmenter.splice(text, self._data.questions[int(rng.choice(others))], rng)
        if self._augmenter is not None and rng.random() < self._config.augment:
            text = self._augmenter.augment(text, rng)
        return _Text(text=text, rows=self._data.rows[at], is_question=True)

    def _answers(self, row: int, count: int, rows: frozenset[int], rng: np.random.Generator) -> list[_Text]:
        texts = self._data.answers[row]
        chosen = rng.permutation(len(texts))[:count]
        return [_Text(text=texts[int(at)], rows=rows, is_question=False) for at in chosen]

    def _tokens(self, texts: Sequence[str]) -> list[Tokens]:
        encodings = self._tokenizer.encode_batch_fast([self._prompt + text for text in texts])
        return [Tokens(ids=each.ids) for each in encodings]

    def _loss(self, vectors: Tensor, batch: Sequence[_Text]) -> Tensor:
        """Return the mean loss over anchors; every process knows the whole of it, and its own rows' gradient."""
        positives, allowed = relations([each.rows for each in batch], [each.is_question for each in batch])
        positives, allowed = positives.to(vectors.device), allowed.to(vectors.device)
        count = int(positives.any(dim=1).sum())
        total = contrastive(vectors, positives, allowed, self._config.temperature, self._config.smoothing)
        return total / max(1, count)

    def _nearest(self, most: int = _NEAREST, texts: int = 6) -> IntArray:
        """Return for each row those of the rows nearest to it by the mean of a few of its texts (n, most)."""
        chosen = [
            [self._data.questions[at] for at in of_row[:texts]] + list(answers[:1])
            for of_row, answers in zip(self._of_row, self._data.answers, strict=True)
        ]
        counts = np.array([len(each) for each in chosen])
        # Always in float32: a training that goes on after a kill knows no other precision yet.
        vectors = self._encode([text for each in chosen for text in each], None)
        centres = np.zeros((len(chosen), vectors.shape[1]), dtype=np.float32)
        np.add.at(centres, np.repeat(np.arange(len(chosen)), counts), vectors)
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
        most = min(most, len(chosen) - 1)
        if not most:
            return np.empty((len(chosen), 0), dtype=np.int64)
        near = np.empty((len(chosen), most), dtype=np.int64)
        for start in range(0, len(chosen), 1024):
            cosines = centres[start : start + 1024] @ centres.T
            cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -np.inf
            # Sorting whole rows of a large knowledge base would take minutes.
            few = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
            order = np.argsort(-np.take_along_axis(cosines, few, axis=1), axis=1, kind="stable")
            near[start : start + 1024] = np.take_along_axis(few, order, axis=1)
        return near


def relations(rows: Sequence[frozenset[int]], is_question: Sequence[bool]) -> tuple[Tensor, Tensor]:
    """Return which texts of a batch belong together and which may be compared at all, both (n, n).

    Texts belong together where they share a pair. Answers are compared with questions alone: that two answers are of
    different pairs says nothing about how near they should be.
    """
    known = {row: at for at, row in enumerate(sorted(set().union(*rows)))}
    member = torch.zeros((len(rows), len(known)))
    for at, each in enumerate(rows):
        member[at, [known[row] for row in each]] = 1
    together = (member @ member.T) > 0
    question = torch.tensor(list(is_question))
    allowed = question[:, None] | question[None, :]
    allowed.fill_diagonal_(False)
    return together & allowed, allowed


def _chances(data: ContrastiveData, of_row: Sequence[Sequence[int]], tail: float) -> NDArray[np.float64]:
    """Return the probability of each question as an anchor (n,)."""
    chance = np.zeros(len(data.questions))
    for questions in of_row:
        for at in questions:
            chance[at] += len(questions) ** (tail - 1) * data.weights[at]
    return np.asarray(chance / chance.sum(), dtype=np.float64)
