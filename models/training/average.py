"""An exponential moving average of the weights (Polyak & Juditsky 1992): smoother than the last step's."""

import torch
from torch import nn


class WeightAverage:
    """Averages of named parameters; they start as copies, and forget the start as steps are taken."""

    def __init__(self, named: list[tuple[str, nn.Parameter]], decay: float) -> None:
        """Take the parameters, and the share of the average that stays at each step."""
        self._named, self._decay = named, decay
        self.weights = {name: each.detach().clone() for name, each in named}

    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        # Early on the average would be of the start: the decay rises to its value, as in Tarvainen & Valpola (2017).
        decay = min(self._decay, step / (step + 1))
        with torch.no_grad():
            for name, parameter in self._named:
                self.weights[name].lerp_(parameter, 1 - decay)
