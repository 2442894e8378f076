import pytest
import torch
from torch import nn

from models.training.average import WeightAverage


def test_the_average_rises_to_its_decay():
    parameter = nn.Parameter(torch.tensor([0.0]))
    average = WeightAverage([("x", parameter)], 0.7)
    found = []
    for step, value in enumerate((1.0, 2.0, 3.0, 4.0), start=1):
        with torch.no_grad():
            parameter.fill_(value)
        average.update(step)
        found.append(float(average.weights["x"]))
    # Of the average stay 1/2, then 2/3, then .7, by hand: .5, 1, 1.6, 2.32.
    assert found == pytest.approx([0.5, 1.0, 1.6, 2.32])
    assert parameter.item() == 4.0


def test_the_parameters_are_not_touched_by_their_average():
    parameter = nn.Parameter(torch.ones(3))
    average = WeightAverage([("x", parameter)], 0.9)
    average.weights["x"].add_(5)
    assert parameter.tolist() == [1.0, 1.0, 1.0]
