"""A model of rewards, fitted on other conversations: what the doubly robust estimate stands on besides weights."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def cross_fitted(
    features: Vector,
    reward: Vector,
    conversation: NDArray[np.generic],
    others: Sequence[Vector] = (),
    *,
    folds: int = 5,
    ridge: float = 1.0,
    seed: int = 0,
) -> list[Vector]:
    """Return predicted rewards (n,) of what was logged, and of each of `others`, by models of other conversations.

    Ridge regression (Hoerl & Kennard 1970) in folds (Chernozhukov et al. 2018). It is linear, so that the expected
    features of what a policy shows give its expected reward. That a model is wrong costs the doubly robust estimate
    precision, and makes no bias.

    Args:
        features: of what was logged (n, d).
        reward: (n,).
        conversation: ids (n,); a conversation is in one fold.
        others: (expected) features of what policies show at the rows, (n, d) each.
        folds: into which conversations are dealt; fewer where there are fewer conversations.
        ridge: penalty on weights of standardised features, in rows.
        seed: of the dealing.

    Raises:
        ValueError: the shapes differ.
    """
    inputs = [features, *others]
    for each in inputs:
        if each.ndim != 2 or each.shape != (len(reward), features.shape[1]):
            raise ValueError(f"expected features ({len(reward)}, {features.shape[-1]}); got {each.shape}")
    ids, which = np.unique(conversation, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(len(ids)) % folds)[which]
    # With one conversation there are no others: the mean is all that is known.
    predicted = [np.full(len(reward), reward.mean()) for _ in inputs]
    for each in np.unique(fold) if len(ids) > 1 else ():
        held_out = fold == each
        weights, centre = _ridge(features[~held_out], reward[~held_out], ridge)
        for found, given in zip(predicted, inputs, strict=True):
            found[held_out] = given[held_out] @ weights + centre
    return predicted


def _ridge(features: Vector, reward: Vector, ridge: float) -> tuple[Vector, float]:
    """Return weights (d,) and intercept."""
    mean, scale = features.mean(axis=0), features.std(axis=0)
    # A feature that never varies says nothing, whatever it is elsewhere.
    used = scale > 0
    inputs = (features[:, used] - mean[used]) / scale[used]
    centred = reward - reward.mean()
    solved = np.linalg.solve(inputs.T @ inputs + ridge * np.eye(used.sum()), inputs.T @ centred)
    weights = np.zeros(len(mean))
    weights[used] = solved / scale[used]
    return weights, float(reward.mean() - mean @ weights)
