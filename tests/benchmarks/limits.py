"""What a machine can do at most, and what a BERT needs: shares of the arithmetic limit."""

import time

import torch

SIZE = {"cpu": 1024, "cuda": 8192}
MULTIPLICATIONS = 20


def gemm_peak(dtype: torch.dtype = torch.float32) -> float:
    """Return FLOP/s of plain matrix products, the quickest of some; on the GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = SIZE[device]
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    quickest = float("inf")
    for _ in range(MULTIPLICATIONS):
        began = time.perf_counter()
        product = left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        quickest = min(quickest, time.perf_counter() - began)
        del product
    return 2 * size**3 / quickest


def forward_flop(layers: int, width: int, inner: int, tokens: int, first_token_alone: bool = False) -> float:
    """Return the FLOP of one sequence's forward pass through a BERT; the backward pass takes twice as much.

    With `first_token_alone` the last layer gives the first token's vector alone, which is all that a classifier reads.
    """
    keys_and_values, others, attention = 4 * width**2, 4 * width**2 + 4 * width * inner, 4 * tokens * width
    whole = layers * tokens * (keys_and_values + others + attention)
    return float(whole - (tokens - 1) * (others + attention) if first_token_alone else whole)
