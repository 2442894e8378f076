"""A classifier whose last layer gives the first token alone: the same logits and gradients, from fewer products."""

import copy
from pathlib import Path

import pytest
import torch
from tiny_model import save_tiny_model
from torch import nn
from transformers import AutoModelForSequenceClassification

from models.first_token import FirstTokenLayer, reads_first_token_alone

IDS = torch.tensor([[2, 7, 9, 11, 3, 8], [2, 5, 3, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])


def classifier(folder: Path, attention: str) -> nn.Module:
    torch.manual_seed(3)
    module: nn.Module = AutoModelForSequenceClassification.from_pretrained(
        save_tiny_model(folder), num_labels=2, attn_implementation=attention
    )
    # In float64 a difference is none of rounding.
    return module.double().eval()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_and_gradients_are_those_of_the_whole_model(tmp_path: Path, attention: str) -> None:
    whole = classifier(tmp_path, attention)
    alone = copy.deepcopy(whole)
    reads_first_token_alone(alone)
    for mask in (MASK, torch.ones_like(MASK)):
        expected, found = (each(input_ids=IDS, attention_mask=mask).logits for each in (whole, alone))
        torch.testing.assert_close(found, expected)
        expected.square().sum().backward()
        found.square().sum().backward()
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(alone.get_parameter(name).grad, parameter.grad, msg=name)


def test_weights_keep_their_names_and_a_copy_has_its_own(tmp_path: Path) -> None:
    whole = classifier(tmp_path, "sdpa")
    alone = copy.deepcopy(whole)
    reads_first_token_alone(alone)
    assert list(alone.state_dict()) == list(whole.state_dict())
    other = copy.deepcopy(alone)
    with torch.no_grad():
        other.bert.encoder.layer[-1].attention.self.value.weight.zero_()
    differs = [each(input_ids=IDS, attention_mask=MASK).logits for each in (alone, other)]
    assert not torch.equal(*differs)


def test_a_model_of_another_kind_stays_as_it_is(tmp_path: Path) -> None:
    other = nn.Sequential(nn.Linear(3, 3))
    reads_first_token_alone(other)
    assert not any(isinstance(each, FirstTokenLayer) for each in other.modules())
