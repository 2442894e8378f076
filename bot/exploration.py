"""Exploration: a small share of the slots of a list is drawn from a Plackett-Luce over the ranking, with exact odds.

Slot by slot, of what no slot before it took: with probability `share` candidate i is drawn with
exp(value_i / temperature) / Σ_j exp(value_j / temperature) (Plackett 1975), else the slot gets the next one selected.
The propensity of what a slot shows is the sum of both ways; over all that it could have shown, propensities sum to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kb.types import FloatArray

FloatMatrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """What a slot shows, and with which probability it would have shown each candidate (n,), given those before it."""

    position: int
    chances: FloatMatrix

    @property
    def propensity(self) -> float:
        """The probability of what it shows."""
        return float(self.chances[self.position])


def explored(values: FloatArray, selected: Sequence[int], *, share: float, temperature: float, seed: int) -> list[Slot]:
    """Return a slot for each of the selected.

    Args:
        values: by which the candidates are ranked (n,).
        selected: positions in the order of their selection; what a slot shows that is not explored.
        share: of the slots that are drawn, 0 to 1.
        temperature: of the draw, above 0; the higher, the less the ranking counts.
        seed: of the draws; the same one gives the same slots.

    Raises:
        ValueError: the share is outside 0..1, the temperature not above 0, or a position not among the candidates.
    """
    if not 0.0 <= share <= 1.0 or not temperature > 0.0:
        raise ValueError(f"expected a share in 0..1 and a temperature above 0; got {share} and {temperature}")
    if any(not 0 <= each < len(values) for each in selected):
        raise ValueError(f"expected positions among {len(values)} candidates; got {list(selected)}")
    generator = np.random.default_rng(seed)
    weight = np.exp((values.astype(np.float64) - float(np.max(values, initial=0.0))) / temperature)
    left = np.ones(len(values), dtype=bool)
    slots: list[Slot] = []
    for _ in selected:
        ranked = next((each for each in selected if left[each]), int(np.argmax(left)))
        chances = _chances(weight, left, ranked, share)
        position = int(generator.choice(len(values), p=chances)) if share else ranked
        left[position] = False
        slots.append(Slot(position=position, chances=chances))
    return slots


def _chances(weight: FloatMatrix, left: NDArray[np.bool_], ranked: int, share: float) -> FloatMatrix:
    """Return with which probability a slot shows each candidate (n,)."""
    drawn = np.where(left, weight, 0.0)
    total = float(drawn.sum())
    # Of values too small to tell apart each is as likely.
    drawn = drawn / total if total > 0 else left / left.sum()
    chances = share * drawn
    chances[ranked] += 1.0 - share
    return np.asarray(chances / chances.sum(), dtype=np.float64)
