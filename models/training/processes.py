"""Several processes that train one model, as `torchrun` starts them: who am I, and sums over all of us.

Every process works on its share of one global batch and normalises by the counts of the whole; gradients are summed.
So the step is the one that a single process would take with the same global batch.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """Which part of the work is ours: items `rank`, `rank + world`, ... of a batch."""

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks to people."""
        return self.rank == 0

    def of(self, count: int) -> range:
        """Return the positions of our items out of a count."""
        return range(self.rank, count, self.world)


@contextmanager
def joined() -> Iterator[Share]:
    """Join the processes that `torchrun` started, or be the only one."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Share()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Share(rank=distributed.get_rank(), world=world)
    finally:
        distributed.destroy_process_group()


def sum_over_all(values: Tensor, share: Share) -> Tensor:
    """Return the sum of a tensor over the processes, in its place."""
    if share.world > 1:
        distributed.all_reduce(values)
    return values


def same_everywhere(parameters: Sequence[torch.nn.Parameter], share: Share) -> None:
    """Give all processes the parameters of the first."""
    if share.world > 1:
        for each in parameters:
            distributed.broadcast(each.detach(), 0)


def sum_gradients(parameters: Sequence[torch.nn.Parameter], share: Share) -> None:
    """Replace every gradient by its sum over the processes; one message for all of them."""
    if share.world == 1:
        return
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
    has_one = torch.tensor([float(each.grad is not None) for each in parameters], device=gradients[0].device)
    flat = torch.cat([has_one, *(each.reshape(-1).float() for each in gradients)])
    distributed.all_reduce(flat)
    start = len(parameters)
    for parameter, gradient, known in zip(parameters, gradients, flat[:start].tolist(), strict=True):
        found = flat[start : start + gradient.numel()].view_as(gradient).to(gradient.dtype)
        # Without a gradient in any process there is none, as with one: the optimiser would let the weights decay.
        parameter.grad = found if known else None
        start += gradient.numel()


def gathered(rows: Tensor, count: int, share: Share) -> Tensor:
    """Return the rows of all processes (count, ...) in the order of the batch; only our own carry a gradient."""
    if share.world == 1:
        return rows
    whole = torch.zeros((count, *rows.shape[1:]), dtype=rows.dtype, device=rows.device)
    whole[list(share.of(count))] = rows.detach()
    distributed.all_reduce(whole)
    return whole.index_copy(0, torch.tensor(list(share.of(count)), device=rows.device), rows)


def wait_for_all(share: Share) -> None:
    """Go on when every process has come this far."""
    if share.world > 1:
        distributed.barrier()
