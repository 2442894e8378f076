"""The fast forward pass: ONNX Runtime, with texts sorted by length and packed by a token budget to avoid padding."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kb.types import FloatArray

TOKEN_BUDGET = 2048
"""Tokens of one forward pass, padding included: what fits the caches of a core, measured on 2 cores (AVX2)."""

IntArray = NDArray[np.int64]


class Forward(Protocol):
    """One forward pass over a padded batch."""

    def __call__(self, input_ids: IntArray, attention_mask: IntArray) -> FloatArray:
        """Return (n, d) for token ids and mask of shape (n, t)."""


class OnnxForward:
    """A forward pass in ONNX Runtime, on the processor; safe to share between threads."""

    def __init__(self, graph: Path, threads: int = 0) -> None:
        """Load a graph; `threads` of 0 means one per core that this process may use."""
        self._session = onnxruntime.InferenceSession(
            str(graph), session_options(threads), providers=["CPUExecutionProvider"]
        )

    def __call__(self, input_ids: IntArray, attention_mask: IntArray) -> FloatArray:
        """Return (n, d) for token ids and mask of shape (n, t)."""
        (found,) = self._session.run(None, {"input_ids": input_ids, "attention_mask": attention_mask})
        return np.asarray(found, dtype=np.float32)


def session_options(threads: int = 0) -> onnxruntime.SessionOptions:
    """Return how graphs are run; `threads` of 0 means one per core that this process may use."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    options.log_severity_level = 3
    # Spinning threads take the cores from the server's other work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class TorchForward:
    """The same in torch, on any device."""

    def __init__(self, module: object, device: str) -> None:
        """Take a module (input_ids, attention_mask) → (n, d) in evaluation mode."""
        import torch

        assert isinstance(module, torch.nn.Module)
        self._module, self._device = module.to(device), device

    def __call__(self, input_ids: IntArray, attention_mask: IntArray) -> FloatArray:
        """Return (n, d) for token ids and mask of shape (n, t)."""
        import torch

        with torch.inference_mode():
            ids = torch.from_numpy(input_ids).to(self._device)
            found = self._module(ids, torch.from_numpy(attention_mask).to(self._device))
            return np.asarray(found.float().cpu().numpy(), dtype=np.float32)


def batches_by_length(lengths: Sequence[int], budget: int = TOKEN_BUDGET, shortest: float = 0.0) -> Iterator[list[int]]:
    """Yield positions in batches of like length, each of at most `budget` tokens once padded (or one text).

    No text of a batch is shorter than the share `shortest` of its longest: where there are few texts of very unlike
    lengths, more batches cost less than the padding.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        # Longest first: the first text of a batch is as long as the batch is padded to.
        is_full = bool(batch) and (len(batch) + 1) * lengths[batch[0]] > budget
        if is_full or (batch and lengths[position] < shortest * lengths[batch[0]]):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def run_batches(
    forward: Forward, tokens: Sequence[Sequence[int]], dimension: int, pad_id: int, budget: int = TOKEN_BUDGET
) -> FloatArray:
    """Return one row per token sequence, in the order given: (n, dimension) float32."""
    rows = np.empty((len(tokens), dimension), dtype=np.float32)
    for batch in batches_by_length([len(each) for each in tokens], budget):
        ids = np.full((len(batch), len(tokens[batch[0]])), pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, position in enumerate(batch):
            ids[row, : len(tokens[position])] = tokens[position]
            mask[row, : len(tokens[position])] = 1
        rows[batch] = forward(ids, mask)
    return rows


def read_about(folder: Path) -> dict[str, object]:
    """Return what `encoder.json` beside a graph says."""
    about: dict[str, object] = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    return about


def has_gpu() -> bool:
    """Whether there is a GPU for torch; asked without importing torch, which takes seconds."""
    return any(Path("/dev").glob("nvidia[0-9]*"))
