"""The loop that trains anything: steps, schedule, validation, early stopping, and going on after a kill.

Everything random in step n depends on (seed, n) alone: a run that was killed and goes on takes the same steps as one
that was not.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from kb.errors import TrainingError, describe
from models.training.attack import disturb
from models.training.average import WeightAverage
from models.training.config import OptimiserConfig
from models.training.interrupts import until_interrupted
from models.training.passes import hardware, is_out_of_memory
from models.training.processes import Share, same_everywhere, sum_gradients, sum_over_all
from models.training.schedule import groups, rate, steps_of
from models.training.state import TrainingState, load_state, require_same, save_state
from models.training.task import Curve, Task
from models.training.writers import Writer

__all__ = ["Curve", "Task", "Told", "fit"]

Told = Callable[[int, int, str], None]
"""Told the steps that are done, all of them, and a note on how it goes."""

_PACED = 6
"""Steps by whose pace the others are planned."""


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
    with until_interrupted() as interrupted:
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
        # What is new in them was drawn by each process for itself.
        same_everywhere(self.parameters, self.share)
        self.optimiser = torch.optim.AdamW(groups(self.named, config), lr=config.learning_rate, fused=True)
        self._rates = [float(group["lr"]) for group in self.optimiser.param_groups]
        self.steps, self._pace_s, self._paced = steps_of(config, task.epoch_steps), 0.0, 0
        self.average = WeightAverage(self.named, config.average) if config.average else None
        self.curve = Curve()
        self.best: dict[str, torch.Tensor] = {}
        self.step, self.stale, self.loss, self.before_s = 0, 0, math.nan, 0.0
        self._since_s = time.perf_counter()
        self._resume()

    def one_step(self, *, is_interrupted: bool) -> None:
        self.task.prepare(self.step)
        began = time.perf_counter()
        self._set_rates()
        self.task.module.train()
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
        self._pace_s, self._paced = self._pace_s + took_s, self._paced + 1
        if self.step == _PACED:
            mean_s = torch.tensor([self._pace_s / self._paced], device=self.where.device)
            pace = sum_over_all(mean_s, self.share).item()
            possible = int(self.config.seconds * self.share.world / max(pace, 1e-6))
            self.steps = min(self.steps, max(_PACED, self.config.least_steps, possible))

    def _set_rates(self) -> None:
        share = rate(self.step, self.steps, self.config)
        for group, whole in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = whole * share

    def _backward(self, onto: Sequence[Tensor | None] | None = None) -> float:
        """Add the gradient of a step to what is given; where memory runs out, it is computed anew in smaller passes."""
        while True:
            for at, parameter in enumerate(self.parameters):
                kept = onto[at] if onto else None
                parameter.grad = None if kept is None else kept.clone()
            torch.manual_seed(_mixed(self.config.seed, self.step, self.share.rank))
            try:
                return self.task.backward(self.step, self.where, self.share)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                problem = (str(error).splitlines() or ["no memory left"])[0]
            # Not while the error is handled: its traceback holds what fills the memory.
            self._shrink(problem)

    def _shrink(self, problem: str) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        if self.where.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.where.tokens <= 1 or self.share.world > 1:
            raise TrainingError(
                describe(
                    expected="memory for a pass of one sequence" if self.share.world == 1 else "memory for a pass",
                    got=problem,
                    remedy="set a smaller tokens_per_pass or max_length, freeze layers, or use a smaller model",
                )
            )
        self.where = replace(self.where, is_frugal=True, tokens=max(1, self.where.tokens // 2))

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
        if weights is None:
            return
        rounds = self.config.attack_steps if self.config.attack == "pgd" else 1
        clean = [None if each.grad is None else each.grad.clone() for each in self.parameters]
        original = weights.detach().clone()
        for turn in range(rounds):
            gradient = torch.zeros_like(weights) if weights.grad is None else weights.grad.clone()
            # All processes are to be disturbed alike.
            if not disturb(weights, original, sum_over_all(gradient, self.share), self.config.attack_size, rounds):
                break
            # Only the last round's gradient counts, beside that of the clean batch.
            self._backward(clean if turn == rounds - 1 else None)
        else:
            clean = [each.grad for each in self.parameters]
        for parameter, found in zip(self.parameters, clean, strict=True):
            parameter.grad = found
        with torch.no_grad():
            weights.copy_(original)

    def _record(self) -> None:
        self.curve.losses.append((self.step, self.loss))
        if self.writer is not None:
            self.writer.scalar("loss", self.loss, self.step)
            self.writer.scalar("learning_rate", float(self.optimiser.param_groups[0]["lr"]), self.step)

    def _after(self) -> None:
        """Validate and save, where it is time to, or the last chance."""
        every = self.config.validate_every
        is_last = self.curve.stopped == "interrupted" or self.step == self.steps
        if is_last or (every and self.step % every == 0):
            self._validate()
        is_due = self.config.save_every and self.step % self.config.save_every == 0
        if self.folder is not None and (is_last or is_due):
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
            curve=self.curve.measured(),
        )
        save_state(self.folder, state)

    def _resume(self) -> None:
        state = load_state(self.folder) if self.folder is not None else None
        if state is None:
            return
        require_same(state, self.named, self.folder)
        _put(self.named, state.weights)
        for name, parameter in self.named:
            start = f"{name}."
            found = {key[len(start) :]: value for key, value in state.optimiser.items() if key.startswith(start)}
            if found:
                self.optimiser.state[parameter] = {key: value.to(parameter.device) for key, value in found.items()}
        self.steps = state.steps
        if self.average:
            self.average.weights.update({name: each.to(self.where.device) for name, each in state.average.items()})
        self.best, self.step, self.stale, self.before_s = state.best, state.step, state.stale, state.seconds
        self.task.restore(state.task)
        self.curve = Curve.of(state.curve)
        if self.config.patience and self.stale >= self.config.patience:
            self.curve.stopped = "early"


def _mixed(seed: int, step: int, rank: int) -> int:
    """Return a seed of its own for each step and process."""
    return (seed * 1_000_003 + step) * 1_009 + rank


def _put(named: list[tuple[str, nn.Parameter]], weights: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in named:
            parameter.copy_(weights[name])
