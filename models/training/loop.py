"""The loop that trains anything: steps, schedule, validation, early stopping, and going on after a kill.

Everything random in step n depends on (seed, n) alone: a run that was killed and goes on takes the same steps as one
that was not.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol

import torch
from torch import nn

from kb.errors import TrainingError, describe
from models.training.average import WeightAverage
from models.training.config import OptimiserConfig
from models.training.passes import Hardware, hardware
from models.training.processes import Share, sum_gradients, sum_over_all
from models.training.state import TrainingState, load_state, save_state
from models.training.writers import Writer

Stopped = Literal["done", "early", "interrupted"]
Told = Callable[[int, int, str], None]
"""Told the steps that are done, all of them, and a note on how it goes."""


_PACED = 6
"""Steps by whose pace the others are planned."""


class Task(Protocol):
    """What is trained: a module, its batches and their loss."""

    @property
    def module(self) -> nn.Module:
        """What has the parameters."""

    @property
    def embeddings(self) -> nn.Parameter | None:
        """The word embeddings, for an attack on them; None where they are frozen."""

    @property
    def epoch_steps(self) -> float:
        """Batches in which everything is seen once."""

    def backward(self, step: int, where: Hardware, share: Share) -> float:
        """Add the gradient of our share of batch `step`; return our share of its loss."""

    def prepare(self, step: int) -> None:
        """Do what is to be done before a step, such as mining negatives anew; called for every step."""

    def validate(self) -> float:
        """Return the validation metric, higher is better; NaN where there is nothing to validate on."""

    def state(self) -> dict[str, Any]:
        """Return what `prepare` keeps between steps: arrays by name."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` gave."""


@dataclass(kw_only=True)
class Curve:
    """What was measured on the way, and how it ended."""

    losses: list[tuple[int, float]] = field(default_factory=list)
    metrics: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    best_metric: float | None = None
    stopped: Stopped = "done"
    seconds: float = 0.0
    items: int = 0


def fit(
    task: Task,
    config: OptimiserConfig,
    *,
    share: Share | None = None,
    folder: Path | None = None,
    told: Told | None = None,
    writer: Writer | None = None,
) -> Curve:
    """Train; the module then has the weights that were best on validation, or the last (see `keep`).

    Args:
        task: what is trained.
        config: how.
        share: our part, where several processes train.
        folder: where the state is saved; where it holds one of the same training, that is gone on with.
        told: told after every step.
        writer: takes the scalars for TensorBoard.

    Raises:
        TrainingError: the loss is not finite, or not even one sequence fits the memory.
    """
    run = _Run(task, config, share or Share(), folder, writer)
    with _until_interrupted() as interrupted:
        while run.step < run.steps and run.curve.stopped == "done":
            run.one_step(is_interrupted=interrupted())
            if told is not None:
                told(run.step, run.steps, run.note())
    run.finish()
    return run.curve


class _Run:
    """The state of one call of `fit`."""

    def __init__(
        self, task: Task, config: OptimiserConfig, share: Share, folder: Path | None, writer: Writer | None
    ) -> None:
        self.task, self.config, self.share, self.folder, self.writer = task, config, share, folder, writer
        self.where = hardware(config.precision, config.tokens_per_pass)
        task.module.to(self.where.device)
        self.named = [(name, each) for name, each in task.module.named_parameters() if each.requires_grad]
        self.parameters = [each for _, each in self.named]
        self.optimiser = torch.optim.AdamW(groups(self.named, config), lr=config.learning_rate, fused=True)
        self.steps, self._pace_s = steps_of(config, task.epoch_steps), 0.0
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: rate(step, self.steps, config))
        self.average = WeightAverage(self.named, config.average) if config.average else None
        self.curve = Curve()
        self.best: dict[str, torch.Tensor] = {}
        self.step, self.stale, self.loss, self.before_s = 0, 0, math.nan, 0.0
        self._since_s = time.perf_counter()
        self._resume()

    def one_step(self, *, is_interrupted: bool) -> None:
        self.task.prepare(self.step)
        began = time.perf_counter()
        torch.manual_seed(_mixed(self.config.seed, self.step, self.share.rank))
        self.task.module.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._backward()
        # One message: the loss of all, and whether anybody was asked to stop, so that all stop at the same step.
        told = sum_over_all(torch.tensor([loss, float(is_interrupted)], device=self.where.device), self.share).tolist()
        self.loss = told[0]
        self._require_finite()
        if self.config.attack != "none":
            self._attack()
        sum_gradients(self.parameters, self.share)
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        if self.average:
            self.average.update(self.step)
        self._record()
        self._plan(time.perf_counter() - began)
        if told[1]:
            self.curve.stopped = "interrupted"
        self._after()

    def note(self) -> str:
        """Return how it goes, for people."""
        metric = f" · validation {self.curve.metrics[-1][1]:.3f}" if self.curve.metrics else ""
        return f"loss {self.loss:.3f}{metric}"

    def finish(self) -> None:
        """Leave the module with the weights that are kept, in evaluation mode."""
        if self.curve.stopped == "done" and (not self.curve.metrics or self.curve.metrics[-1][0] != self.step):
            self._validate()
        if self.config.keep == "best" and self.best:
            _put(self.named, self.best)
        elif self.average:
            _put(self.named, self.average.weights)
        self.task.module.eval()
        self.curve.seconds = self.before_s + time.perf_counter() - self._since_s

    def _plan(self, took_s: float) -> None:
        """Plan as many steps as there is time for, once the pace is known."""
        # The first step allocates what the others use again.
        if not self.config.seconds or not 1 < self.step <= _PACED:
            return
        self._pace_s += took_s / (_PACED - 1)
        if self.step == _PACED:
            pace = sum_over_all(torch.tensor([self._pace_s], device=self.where.device), self.share).item()
            possible = int(self.config.seconds * self.share.world / max(pace, 1e-6))
            self.steps = max(_PACED, min(self.steps, possible))

    def _backward(self) -> float:
        """Add the gradient of a step; where memory runs out, the step is computed again in smaller passes."""
        while True:
            try:
                return self.task.backward(self.step, self.where, self.share)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._shrink(error)

    def _shrink(self, error: Exception) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        if self.where.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.where.tokens <= 1 or self.share.world > 1:
            raise TrainingError(
                describe(
                    expected="memory for a pass of one sequence" if self.share.world == 1 else "memory for a pass",
                    got=str(error).splitlines()[0],
                    remedy="set a smaller tokens_per_pass or max_length, freeze layers, or use a smaller model",
                )
            ) from error
        self.where = Hardware(
            device=self.where.device, is_bf16=self.where.is_bf16, tokens=max(1, self.where.tokens // 2)
        )

    def _require_finite(self) -> None:
        if not math.isfinite(self.loss):
            raise TrainingError(
                describe(
                    expected="a finite loss",
                    got=f"{self.loss} in step {self.step + 1}",
                    remedy="lower the learning rate, or set the precision to fp32",
                )
            )

    def _attack(self) -> None:
        """Add the gradient of the same batch under disturbed word embeddings."""
        weights = self.task.embeddings
        if weights is None or weights.grad is None:
            return
        original = weights.detach().clone()
        size = self.config.attack_size * float(original.norm(dim=1).mean())
        rounds = self.config.attack_steps if self.config.attack == "pgd" else 1
        clean = [None if each.grad is None else each.grad.clone() for each in self.parameters]
        for turn in range(rounds):
            gradient = weights.grad
            norm = gradient.norm()
            if not torch.isfinite(norm) or norm == 0:
                break
            with torch.no_grad():
                weights.add_(gradient / norm * (size if rounds == 1 else 1.5 * size / rounds))
                drift = weights - original
                weights.copy_(original + drift * min(1.0, size / float(drift.norm().clamp(min=1e-12))))
            # Only the last round's gradient counts, beside that of the clean batch.
            self.optimiser.zero_grad(set_to_none=True)
            if turn == rounds - 1:
                for parameter, kept in zip(self.parameters, clean, strict=True):
                    parameter.grad = kept
            torch.manual_seed(_mixed(self.config.seed, self.step, self.share.rank))
            self._backward()
            weights.grad = torch.zeros_like(weights) if weights.grad is None else weights.grad
        with torch.no_grad():
            weights.copy_(original)

    def _record(self) -> None:
        self.curve.losses.append((self.step, self.loss))
        if self.writer is not None:
            self.writer.scalar("loss", self.loss, self.step)
            self.writer.scalar("learning_rate", float(self.schedule.get_last_lr()[0]), self.step)

    def _after(self) -> None:
        """Validate and save, where it is time to, or the last chance."""
        every = self.config.validate_every
        is_last = self.curve.stopped == "interrupted" or self.step == self.steps
        if is_last or (every and self.step % every == 0):
            self._validate()
        if self.folder is not None and (is_last or self.step % self.config.save_every == 0):
            self._save()

    def _validate(self) -> None:
        kept = {name: each.detach().clone() for name, each in self.named} if self.average else None
        if self.average:
            _put(self.named, self.average.weights)
        self.task.module.eval()
        metric = self.task.validate()
        if not math.isnan(metric):
            self.curve.metrics.append((self.step, metric))
            if self.writer is not None:
                self.writer.scalar("validation", metric, self.step)
            self._compare(metric)
        if kept is not None:
            _put(self.named, kept)

    def _compare(self, metric: float) -> None:
        if self.curve.best_metric is None or metric > self.curve.best_metric:
            self.curve.best_metric, self.curve.best_step, self.stale = metric, self.step, 0
            if self.config.keep == "best":
                self.best = {name: each.detach().cpu().clone() for name, each in self.named}
            return
        self.stale += 1
        if self.config.patience and self.stale >= self.config.patience and self.curve.stopped == "done":
            self.curve.stopped = "early"

    def _save(self) -> None:
        if not self.share.is_first or self.folder is None:
            return
        optimiser = {
            f"{name}.{key}": value
            for name, parameter in self.named
            for key, value in self.optimiser.state[parameter].items()
        }
        state = TrainingState(
            weights={name: each.detach() for name, each in self.named},
            optimiser=optimiser,
            average=self.average.weights if self.average else {},
            best=self.best,
            task=self.task.state(),
            step=self.step,
            steps=self.steps,
            stale=self.stale,
            seconds=self.before_s + time.perf_counter() - self._since_s,
            curve={
                "losses": self.curve.losses,
                "metrics": self.curve.metrics,
                "best_step": self.curve.best_step,
                "best_metric": self.curve.best_metric,
            },
        )
        save_state(self.folder, state)

    def _resume(self) -> None:
        state = load_state(self.folder) if self.folder is not None else None
        if state is None:
            return
        _put(self.named, state.weights)
        for name, parameter in self.named:
            start = f"{name}."
            found = {key[len(start) :]: value for key, value in state.optimiser.items() if key.startswith(start)}
            self.optimiser.state[parameter] = {
                key: value if key == "step" else value.to(parameter.device) for key, value in found.items()
            }
        self.steps = state.steps
        for _ in range(state.step):
            self.schedule.step()
        if self.average:
            self.average.weights.update({name: each.to(self.where.device) for name, each in state.average.items()})
        self.best, self.step, self.stale, self.before_s = state.best, state.step, state.stale, state.seconds
        self.task.restore(state.task)
        self.curve = Curve(
            losses=[(int(step), float(value)) for step, value in state.curve["losses"]],
            metrics=[(int(step), float(value)) for step, value in state.curve["metrics"]],
            best_step=state.curve["best_step"],
            best_metric=state.curve["best_metric"],
        )


def groups(named: list[tuple[str, nn.Parameter]], config: OptimiserConfig) -> list[dict[str, Any]]:
    """Return parameter groups: weight decay for matrices alone, and a learning rate that falls from layer to layer."""
    layers = {name: _layer_of(name) for name, _ in named}
    top = 1 + max((layer for layer in layers.values() if layer is not None), default=0)
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        layer = layers[name]
        factor = 1.0 if layer is None else config.layer_decay ** (top - layer)
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        found.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": decay, "lr": config.learning_rate * factor}
        for (factor, decay), parameters in found.items()
    ]


def steps_of(config: OptimiserConfig, epoch_steps: float) -> int:
    """Return the number of steps that are planned."""
    if not config.epochs:
        return config.steps
    return min(config.steps, max(config.least_steps, round(config.epochs * epoch_steps)))


def rate(step: int, steps: int, config: OptimiserConfig) -> float:
    """Return the share of the learning rate that a step (from 0) of so many takes."""
    rising = max(1, round(config.warm_up * steps))
    if step < rising:
        return (step + 1) / rising
    if config.decay == "none":
        return 1.0
    left = (steps - step) / max(1, steps - rising)
    return max(0.0, left if config.decay == "linear" else (1 + math.cos(math.pi * (1 - left))) / 2)


def _layer_of(name: str) -> int | None:
    """Return the layer of a parameter from 1, 0 for embeddings, and None for what comes after the layers."""
    parts = name.split(".")
    if "embeddings" in parts:
        return 0
    numbers = [int(part) for before, part in pairwise(parts) if before == "layer" and part.isdigit()]
    return numbers[0] + 1 if numbers else None


def _mixed(seed: int, step: int, rank: int) -> int:
    """Return a seed of its own for each step and process."""
    return (seed * 1_000_003 + step) * 1_009 + rank


def _put(named: list[tuple[str, nn.Parameter]], weights: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in named:
            parameter.copy_(weights[name])


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error)


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C instead of raising, so that a step is never left half-done; a second one stops at once."""
    asked = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            signal.default_int_handler(number, frame)
        asked = True

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:
        # Not the main thread: whoever runs us there stops us in another way.
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
