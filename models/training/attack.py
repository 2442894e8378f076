"""Adversarial training on the word embeddings: the disturbance that raises the loss most.

One step along the gradient (FGM, Miyato et al. 2017), or several smaller ones that stay within the same distance (PGD,
Madry et al. 2018).
"""

from torch import Tensor, no_grad

_STRIDE = 1.5
"""Steps of several go this many times the distance together: each may turn, and what leads too far is cut back."""


def disturb(weights: Tensor, original: Tensor, gradient: Tensor, attack_size: float, rounds: int) -> bool:
    """Move embeddings (v, d) one step along their gradient, in place; return whether there was a way to go.

    Args:
        weights: disturbed so far.
        original: as they were before the first step.
        gradient: of the loss at `weights`.
        attack_size: distance from the original, at most, as a share of the mean norm of its rows.
        rounds: steps that are made in all.
    """
    norm = gradient.norm()
    if not norm.isfinite() or norm == 0:
        return False
    size = attack_size * float(original.norm(dim=1).mean())
    stride = size if rounds == 1 else _STRIDE * size / rounds
    with no_grad():
        drift = weights + gradient / norm * stride - original
        weights.copy_(original + drift * min(1.0, size / max(float(drift.norm()), 1e-12)))
    return True
