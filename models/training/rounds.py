"""One objective over the outputs of several passes → its gradient, in one round, or in two that need little memory.

In-batch negatives and groups reach over passes, so that no pass has a loss of its own. In two rounds all outputs are
computed without gradient, then the objective's gradient in them, then each pass again with it (GradCache, Gao et al.
2021): the same gradient, with what one pass keeps for it in memory.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from kb.errors import TrainingError, describe
from models.training.passes import Hardware, Padded


def add_gradient(
    forward: Callable[[Padded], Tensor],
    whole: Sequence[Padded],
    objective: Callable[[Sequence[Tensor]], Tensor],
    where: Hardware,
) -> float:
    """Add the gradient of an objective; return its value.

    Args:
        forward: gives the outputs (n, w) of a pass.
        whole: the passes; one may be there twice, and then has two outputs.
        objective: takes the outputs of all passes, gives one number.
        where: in two rounds where it is frugal.

    Raises:
        TrainingError: nothing that the outputs depend on is trained.
    """
    if where.is_frugal and len(whole) > 1:
        return _in_two_rounds(forward, whole, objective, where.device)
    outputs = [forward(each) for each in whole]
    _require_gradient(outputs)
    loss = objective(outputs)
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def _in_two_rounds(
    forward: Callable[[Padded], Tensor],
    whole: Sequence[Padded],
    objective: Callable[[Sequence[Tensor]], Tensor],
    device: torch.device,
) -> float:
    states, outputs = [], []
    with torch.no_grad():
        for each in whole:
            states.append(_random_state(device))
            outputs.append(forward(each).requires_grad_())
    loss = objective(outputs)
    loss.backward()  # type: ignore[no-untyped-call]
    for each, state, output in zip(whole, states, outputs, strict=True):
        # The same dropout as in the first round.
        _set_random_state(state, device)
        again = forward(each)
        _require_gradient([again])
        again.backward(output.grad)  # type: ignore[no-untyped-call]
    return float(loss.detach())


def _require_gradient(outputs: Sequence[Tensor]) -> None:
    if outputs and not any(each.requires_grad for each in outputs):
        raise TrainingError(
            describe(expected="parameters to train", got="all of them frozen", remedy="set fewer frozen_layers")
        )


def _random_state(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def _set_random_state(states: Sequence[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
