"""What one model knows, into another: a matcher into the encoder, a large matcher into a smaller one.

The teacher's logits are computed once for all groups; the student follows them beside, or instead of, the labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from kb.errors import ModelError, TrainingError, describe
from kb.types import FloatArray
from models.folder import ModelFolder, open_model
from models.matcher import MAX_LENGTH
from models.pooling import SentenceModule
from models.training.bases import load_matcher_module
from models.training.config import DistilConfig, TrainingConfig
from models.training.epochs import Epochs
from models.training.losses import distillation
from models.training.matcher import Group, Judge, judge
from models.training.passes import Hardware, Tokens, hardware, passes
from models.training.processes import Share

Encode = Callable[[Sequence[str]], FloatArray]
IntArray = NDArray[np.int64]

_FALLBACK_LENGTH = 128


class EncoderDistillation:
    """The task of `loop.fit` that draws an encoder's cosines of question and candidates towards a matcher's logits."""

    def __init__(
        self,
        module: SentenceModule,
        tokenizer: Tokenizer,
        groups: Sequence[Group],
        config: DistilConfig,
        *,
        pad_id: int,
        prompt: str = "",
        seed: int = 0,
        validate: Callable[[Encode], float] | None = None,
    ) -> None:
        """Take the student and what it follows.

        Args:
            module: the encoder; see `models.export.load_torch`.
            tokenizer: without padding; truncation is set here.
            groups: every one with the teacher's logits and two candidates at least; see `taught`.
            config: see `DistilConfig`.
            pad_id: token that pads.
            prompt: what the model wants before every text.
            seed: of what is drawn.
            validate: takes the encoder as it is, gives the validation metric.

        Raises:
            TrainingError: no group has two candidates.
        """
        self._groups = [group for group in groups if len(group.teacher) > 1]
        if not self._groups:
            raise TrainingError(
                describe(
                    expected="questions with two candidates or more to distil on",
                    got="none",
                    remedy="set distil.optimiser.steps to 0, or import more pairs",
                )
            )
        self._module, self._tokenizer, self._config = module, tokenizer, config
        self._pad_id, self._prompt, self._validate = pad_id, prompt, validate
        self._epochs = Epochs(len(self._groups), seed)
        self._where = hardware("fp32")

    @property
    def module(self) -> nn.Module:
        """The encoder."""
        return self._module

    @property
    def embeddings(self) -> nn.Parameter | None:
        """The word embeddings, where they are trained."""
        body: Any = self._module.body
        weights: nn.Parameter = body.get_input_embeddings().weight
        return weights if weights.requires_grad else None

    @property
    def epoch_steps(self) -> float:
        """Batches in which every group comes once."""
        return len(self._groups) / self._config.questions

    def prepare(self, step: int) -> None:
        """Nothing is kept between steps."""

    def state(self) -> dict[str, Any]:
        """Nothing is kept between steps."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing is kept between steps."""

    def validate(self) -> float:
        """Return the validation metric of the encoder as it is."""
        return self._validate(self.encode) if self._validate else float("nan")

    def batch(self, step: int) -> list[Group]:
        """Return the groups of a batch: each epoch has every group once, in an order of its own."""
        size = self._config.questions
        return [self._groups[self._epochs.item(at)] for at in range(step * size, (step + 1) * size)]

    def backward(self, step: int, where: Hardware, share: Share) -> float:
        """Add the gradient of our share of a batch; see `loop.Task`."""
        self._where = where
        batch = self.batch(step)
        total = sum(group.weight for group in batch)
        ours = [batch[at] for at in share.of(len(batch))]
        if not ours or not total:
            return 0.0
        vectors = self._vectors([text for group in ours for text in (group.question, *group.candidates)], where)
        loss = self._loss(vectors, ours) / total
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors (n, d) of texts, with the encoder as it is."""
        was_training = self._module.training
        self._module.eval()
        with torch.inference_mode():
            vectors = self._vectors(texts, self._where).cpu().numpy()
        self._module.train(was_training)
        return np.asarray(vectors, dtype=np.float32)

    def _vectors(self, texts: Sequence[str], where: Hardware) -> Tensor:
        """Return unit vectors (n, d)."""
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._config.max_length)
        encodings = self._tokenizer.encode_batch_fast([self._prompt + text for text in texts])
        rows: list[Tensor] = []
        order: list[int] = []
        for each in passes([Tokens(ids=each.ids) for each in encodings], self._pad_id, where):
            with where.autocast():
                rows.append(self._module(each.input_ids, each.attention_mask).float())
            order.extend(each.positions)
        return torch.cat(rows)[torch.from_numpy(np.argsort(order)).to(where.device)]

    def _loss(self, vectors: Tensor, groups: Sequence[Group]) -> Tensor:
        """Return the weighted sum of the losses of groups; `vectors` has each question before its candidates."""
        width = max(len(group.candidates) for group in groups)
        student, start = [], 0
        for group in groups:
            end = start + 1 + len(group.candidates)
            cosines = vectors[start + 1 : end] @ vectors[start]
            student.append(nn.functional.pad(cosines, (0, width - len(group.candidates))))
            start = end
        device = vectors.device
        logits = torch.stack(student) / self._config.temperature
        teacher = _rows([group.teacher for group in groups], width, device)
        present = _rows([[1.0] * len(group.candidates) for group in groups], width, device) > 0
        weight = torch.tensor([group.weight for group in groups], device=device)
        if self._config.loss == "margin_mse":
            labels = _rows([group.labels for group in groups], width, device)
            each = margin_error(logits, teacher, labels, present)
        else:
            each = distillation(logits, teacher, present, self._config.softness)
        return (each * weight).sum()


def margin_error(student: Tensor, teacher: Tensor, labels: Tensor, present: Tensor) -> Tensor:
    """Return the mean squared error of each group's margins of better over worse candidates (g,), all inputs (g, k).

    Source: Hofstätter et al. 2020, margin-MSE.
    """
    better = (labels[:, :, None] > labels[:, None, :]) & present[:, :, None] & present[:, None, :]
    margins = [each[:, :, None] - each[:, None, :] for each in (student, teacher)]
    error = (margins[0] - margins[1]) ** 2 * better
    return error.sum(dim=(1, 2)) / better.sum(dim=(1, 2)).clamp(min=1)


def taught(groups: Sequence[Group], teacher: Judge) -> list[Group]:
    """Return the groups with the teacher's logits, computed once and for all."""
    logits = teacher([(group.question, text) for group in groups for text in group.candidates]).tolist()
    found, start = [], 0
    for group in groups:
        end = start + len(group.candidates)
        found.append(replace(group, teacher=tuple(logits[start:end])))
        start = end
    return found


def load_teacher(name: str) -> Judge:
    """Return a matcher that teaches: a local folder, or a name on the hub.

    Raises:
        ModelError: there is none, or it has no head with one logit.
    """
    model = _teacher_folder(name)
    module, tokenizer, pad_id = load_matcher_module(model)
    where = hardware("auto")
    module.to(where.device)
    length = int(model.config.get(MAX_LENGTH) or min(model.max_length, _FALLBACK_LENGTH))
    return lambda pairs: judge(module, tokenizer, pairs, length, pad_id, where)


def require_teacher(training: TrainingConfig) -> None:
    """Refuse a training whose distillation has no teacher, or whose teacher teaches nothing, before hours are spent.

    Raises:
        TrainingError: it is so.
        ModelError: the teacher is missing, or is no matcher.
    """
    if training.teacher:
        _teacher_folder(training.teacher)
    is_distilled = training.distil.optimiser.steps > 0
    if training.teacher and not (is_distilled or (training.matcher.steps and training.matching.distil_weight)):
        raise TrainingError(
            describe(
                expected="matching.distil_weight above 0 and steps of the matcher, since there is a teacher",
                got=f"{training.matching.distil_weight:g} and {training.matcher.steps}",
                remedy="set both, or distil.optimiser.steps, or take the teacher out",
            )
        )
    if is_distilled and not training.teacher and not training.matcher.steps:
        raise TrainingError(
            describe(
                expected="a matcher to distil into the encoder, since distil.optimiser.steps is above 0",
                got="none: matcher.steps is 0, and there is no teacher",
                remedy="train a matcher, or name a teacher",
            )
        )


def _teacher_folder(name: str) -> ModelFolder:
    model = open_model(name)
    kinds = [str(each) for each in model.config.get("architectures") or ()]
    outputs = len(model.config.get("id2label") or ("", ""))
    if not any(each.endswith("ForSequenceClassification") for each in kinds) or outputs != 1:
        raise ModelError(
            describe(
                expected=f"a matcher with one logit as teacher in {model.path}",
                got=f"{', '.join(kinds) or 'no architecture'} with {outputs} outputs",
                remedy="name a matcher of a checkpoint, or a cross-encoder",
            )
        )
    return model


def shallower(module: nn.Module, layers: int) -> nn.Module:
    """Leave so many of a transformer's layers in it, evenly spread, first and last among them.

    Source: DistilBERT (Sanh et al. 2019), which begins with every second layer of its teacher.

    Raises:
        TrainingError: it has fewer, or its layers are not found.
    """
    owner: Any = module
    depth = int(owner.config.num_hidden_layers)
    stacks = [
        (name, each)
        for name, each in module.named_modules()
        if isinstance(each, nn.ModuleList) and len(each) == depth and name.endswith("layer")
    ]
    if not stacks or not 0 < layers <= depth:
        raise TrainingError(
            describe(
                expected=f"a model of {layers} layers or more to keep {layers} of",
                got=f"{depth} in {type(module).__name__}",
                remedy="set keep_layers to fewer, or to 0",
            )
        )
    name, stack = stacks[0]
    kept = np.linspace(0, depth - 1, layers).round().astype(int).tolist()
    parent, _, own = name.rpartition(".")
    setattr(module.get_submodule(parent), own, nn.ModuleList([stack[at] for at in kept]))
    owner.config.num_hidden_layers = layers
    return module


def _rows(values: Sequence[Sequence[float]], width: int, device: torch.device) -> Tensor:
    """Return lists of numbers as one tensor (g, width), padded with 0."""
    return torch.tensor([[*map(float, each), *([0.0] * (width - len(each)))] for each in values], device=device)
