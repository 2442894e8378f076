"""Dropout by other draws: the same shares, the same scale, and nothing but dropout is changed."""

import copy
from pathlib import Path

import pytest
import torch
from tiny_model import save_tiny_model
from torch import nn
from transformers import AutoModelForSequenceClassification

from models.training.quick_dropout import QuickDropout, QuickSelfAttention, dropout, drops_quickly

IDS = torch.tensor([[2, 7, 9, 11, 3, 8], [2, 5, 3, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
NEXT_TO_NOTHING = 1e-9


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_so_many_values_are_dropped_and_the_others_scaled(share: float) -> None:
    torch.manual_seed(1)
    found = dropout(torch.ones(301, 333), share)
    assert abs(float((found == 0).float().mean()) - share) < 0.01
    torch.testing.assert_close(found[found != 0].unique(), torch.tensor([1 / (1 - share)]))


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(2)
    dropped = (dropout(torch.ones(400, 1000), 0.3) == 0).double()
    for step in range(1, 9):
        both = (dropped[:, step:] * dropped[:, :-step]).mean()
        assert abs(float(both) - 0.09) < 0.005


def test_the_same_seed_drops_the_same() -> None:
    values = torch.randn(5, 7, 3)
    torch.manual_seed(3)
    first, other = dropout(values, 0.4), dropout(values, 0.4)
    torch.manual_seed(3)
    assert torch.equal(dropout(values, 0.4), first)
    assert not torch.equal(first, other)


def test_the_gradient_is_that_of_what_was_kept() -> None:
    values = torch.ones(50, 50, requires_grad=True)
    found = dropout(values, 0.2)
    found.sum().backward()
    assert torch.equal(values.grad, found.detach())


@pytest.mark.parametrize("mask", [MASK, torch.ones_like(MASK)])
def test_but_for_dropout_training_gives_the_logits_and_gradients_of_the_plain_model(
    tmp_path: Path, mask: torch.Tensor
) -> None:
    plain = AutoModelForSequenceClassification.from_pretrained(save_tiny_model(tmp_path), num_labels=1).double()
    quick = copy.deepcopy(plain)
    drops_quickly(quick)
    changed = [each for each in quick.modules() if isinstance(each, QuickDropout | QuickSelfAttention)]
    assert len(changed) >= 5
    for each in quick.modules():
        if isinstance(each, nn.Dropout):
            each.p = NEXT_TO_NOTHING
    expected = plain.eval()(input_ids=IDS, attention_mask=mask).logits
    found = quick.train()(input_ids=IDS, attention_mask=mask).logits
    torch.testing.assert_close(found, expected)
    for each in (expected, found):
        each.square().sum().backward()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(quick.get_parameter(name).grad, parameter.grad, msg=name)
    assert list(quick.state_dict()) == list(plain.state_dict())


def test_nothing_is_dropped_in_evaluation() -> None:
    layer = nn.Sequential(nn.Dropout(0.5)).eval()
    drops_quickly(layer)
    values = torch.randn(4, 4)
    assert torch.equal(layer(values), values)
