"""Token ids → padded tensors in passes of like length: the same batch, the same gradient, without the padding.

A batch is drawn at random, as it should be; within it, sequences are sorted by length and packed by a token budget, and
the gradients of the passes add up to that of the batch. Padding a random batch to its longest sequence wastes a third
to a half of the arithmetic.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.runtime import batches_by_length
from models.training.config import Precision

_SHORTEST = 0.7
"""Share of a pass's longest sequence that its shortest must have, on a processor: a pass more costs little there."""
_CPU_TOKENS, _GPU_TOKENS = 4_096, 32_768


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """One tokenised text, or two of them one after the other; `kinds` marks the second (BERT's token types)."""

    ids: Sequence[int]
    kinds: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Padded:
    """Sequences padded to one length; `positions` says where in the batch they stand."""

    positions: Sequence[int]
    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """Where and how precisely a pass is computed."""

    device: torch.device
    is_bf16: bool
    tokens: int
    """Of one pass, padding included."""
    is_frugal: bool = False
    """Keep what the backward pass needs of one pass at a time, and so compute every pass twice."""

    def autocast(self) -> AbstractContextManager[object]:
        """Matrix products in bfloat16 where that was chosen; sums, norms and losses stay in float32."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if self.is_bf16 else nullcontext()


def hardware(precision: Precision = "auto", tokens_per_pass: int = 0) -> Hardware:
    """Return the GPU where there is one, else the processor; bfloat16 where it is quicker, unless one is named.

    Whoever limits the tokens of a pass wants to save memory: of several passes one at a time is kept.
    """
    is_gpu = torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if is_gpu else torch.device("cpu")
    quick = torch.cuda.is_bf16_supported() if is_gpu else _has_bf16()
    tokens = tokens_per_pass or (_GPU_TOKENS if is_gpu else _CPU_TOKENS)
    is_bf16 = precision == "bf16" or (precision == "auto" and quick)
    return Hardware(device=device, is_bf16=is_bf16, tokens=tokens, is_frugal=tokens_per_pass > 0)


def passes(sequences: Sequence[Tokens], pad_id: int, where: Hardware) -> Iterator[Padded]:
    """Yield all sequences, longest first, in passes of at most the token budget once padded (or one sequence)."""
    shortest = _SHORTEST if where.device.type == "cpu" else 0.0
    for positions in batches_by_length([len(each.ids) for each in sequences], where.tokens, shortest):
        yield padded([sequences[at] for at in positions], pad_id, where.device, positions)


def padded(sequences: Sequence[Tokens], pad_id: int, device: torch.device, positions: Sequence[int]) -> Padded:
    """Return sequences as tensors (n, t), padded to the longest."""
    longest = max(len(each.ids) for each in sequences)
    ids = torch.full((len(sequences), longest), pad_id)
    mask, kinds = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, each in enumerate(sequences):
        ids[row, : len(each.ids)] = torch.tensor(each.ids)
        mask[row, : len(each.ids)] = 1
        if each.kinds:
            kinds[row, : len(each.kinds)] = torch.tensor(each.kinds)
    return Padded(
        positions=positions,
        input_ids=ids.to(device, non_blocking=True),
        attention_mask=mask.to(device, non_blocking=True),
        token_type_ids=kinds.to(device, non_blocking=True),
    )


def longest(config: object, wanted: int) -> int:
    """Return how many tokens of a sequence a transformer reads: as many as wanted, and as it has positions for."""
    positions = getattr(config, "max_position_embeddings", None) or wanted
    if "roberta" in str(getattr(config, "model_type", "")):
        # Its first position is the one after that of padding.
        positions -= int(getattr(config, "pad_token_id", None) or 1) + 1
    return min(wanted, int(positions))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left."""
    # On the processor torch has no error of its own for it, and says it differently from system to system.
    says = ("not enough memory", "can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(each in str(error) for each in says)


def _has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 natively; emulated it is slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
