"""The losses, over plain tensors: no model, no text.

Contrastive, over vectors of one batch (n, d) and which of them belong together (n, n); and for the matcher, over logits
of groups of candidates (g, k) with their labels (g, k), padded where a group has fewer.
"""

import torch
from torch import Tensor
from torch.nn import functional

from models.training.config import MatcherLoss

_MASKED = -1e4


def contrastive(
    vectors: Tensor, positives: Tensor, allowed: Tensor, temperature: float, smoothing: float = 0
) -> Tensor:
    """Return the supervised contrastive loss (Khosla et al. 2020), summed over anchors.

    With one positive an anchor it is InfoNCE with in-batch negatives.

    Args:
        vectors: unit vectors (n, d).
        positives: (n, n) true where column j is a right answer to row i; never on the diagonal.
        allowed: (n, n) true where column j may be compared with row i at all; it holds the positives.
        temperature: of the softmax over cosines.
        smoothing: share of the target that is spread over everything allowed (label smoothing).

    Returns:
        The sum, so that the mean over a batch shared between processes is the sum of theirs over the count of anchors;
        an anchor without a positive counts nothing.
    """
    logits = (vectors @ vectors.T / temperature).masked_fill(~allowed, _MASKED)
    log_share = logits - logits.logsumexp(dim=1, keepdim=True)
    loss = -(log_share * positives).sum(dim=1) / positives.sum(dim=1).clamp(min=1)
    if smoothing:
        spread = -(log_share * allowed).sum(dim=1) / allowed.sum(dim=1).clamp(min=1)
        loss = (1 - smoothing) * loss + smoothing * spread
    return loss[positives.any(dim=1)].sum()


def matching(
    logits: Tensor, labels: Tensor, present: Tensor, kind: MatcherLoss, *, smoothing: float = 0, margin: float = 1.0
) -> Tensor:
    """Return the loss of each group of candidates (g,).

    - bce: binary cross-entropy of every candidate, labels smoothed towards .5 (Devlin et al. 2019 with one logit);
    - mse: squared error of sigmoid(logit), for graded labels;
    - listwise: cross-entropy of the softmax over the group against its labels as shares (ListNet, Cao et al. 2007;
      with one right candidate the localised contrastive loss of Gao et al. 2021);
    - margin: mean hinge of right against wrong logits.

    Args:
        logits: (g, k).
        labels: (g, k) in 0..1.
        present: (g, k) false where the group is padded.
        kind: which loss.
        smoothing: label smoothing, for bce and listwise.
        margin: for the margin loss.
    """
    if kind == "listwise":
        return _listwise(logits, labels, present, smoothing)
    if kind == "margin":
        return _hinge(logits, labels, present, margin)
    if kind == "mse":
        each = (torch.sigmoid(logits) - labels) ** 2
    else:
        smooth = labels * (1 - smoothing) + smoothing / 2
        each = functional.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
    return (each * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)


def _listwise(logits: Tensor, labels: Tensor, present: Tensor, smoothing: float) -> Tensor:
    log_share = functional.log_softmax(logits.masked_fill(~present, _MASKED), dim=1)
    target = labels * present
    target = target / target.sum(dim=1, keepdim=True).clamp(min=1e-9)
    uniform = present / present.sum(dim=1, keepdim=True).clamp(min=1)
    target = (1 - smoothing) * target + smoothing * uniform
    has_right = (labels * present).sum(dim=1) > 0
    return -(target * log_share * present).sum(dim=1) * has_right


def _hinge(logits: Tensor, labels: Tensor, present: Tensor, margin: float) -> Tensor:
    better = (labels[:, :, None] > labels[:, None, :]) & present[:, :, None] & present[:, None, :]
    short = functional.relu(margin - (logits[:, :, None] - logits[:, None, :])) * better
    return short.sum(dim=(1, 2)) / better.sum(dim=(1, 2)).clamp(min=1)


def distillation(student: Tensor, teacher: Tensor, present: Tensor, temperature: float) -> Tensor:
    """Return KL(teacher ‖ student) of the softmax over each group (g,), times temperature² (Hinton et al. 2015)."""
    of_student = functional.log_softmax((student / temperature).masked_fill(~present, _MASKED), dim=1)
    of_teacher = functional.log_softmax((teacher / temperature).masked_fill(~present, _MASKED), dim=1)
    each = of_teacher.exp() * (of_teacher - of_student) * present
    return each.sum(dim=1) * temperature**2


def symmetric_divergence(first: Tensor, second: Tensor, present: Tensor) -> Tensor:
    """Return the mean of KL both ways between two passes' softmaxes over each group (g,): R-Drop (Wu et al. 2021).

    A group of one is compared by its two logits' sigmoid: it has a further logit of 0 beside it.
    """
    is_alone = present.sum(dim=1, keepdim=True) == 1
    first, second = (torch.cat([each, torch.zeros_like(each[:, :1])], dim=1) for each in (first, second))
    present = torch.cat([present, is_alone], dim=1)
    return (distillation(first, second, present, 1.0) + distillation(second, first, present, 1.0)) / 2
